"""`gate`: a registered version held against the promotion policy."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hematovision.cli.gating_tables import show_verdict
from hematovision.cli.output import command

if TYPE_CHECKING:
    from hematovision.promotion.registration import Judged


def gate(model: str, config: Path | None, *, as_json: bool) -> None:
    """Judge a version, keep the verdict with it, and refuse where a gate did."""
    with command(as_json) as output:
        started = time.monotonic()
        from hematovision.config import load_config
        from hematovision.errors import GateRefused
        from hematovision.home import locate_home
        from hematovision.progress import progress_bar
        from hematovision.promotion.registration import judge_version

        with progress_bar("Golden set") as progress:
            judged = judge_version(locate_home(), model, load_config(config), progress=progress)
        output.result({**_document(judged), "seconds": round(time.monotonic() - started, 1)}, show_verdict)
        if not judged.verdict.passed:
            raise GateRefused(f"{judged.verdict.model} did not pass {', '.join(judged.verdict.failed)}.")


def _document(judged: "Judged") -> Mapping[str, Any]:
    verdict = judged.verdict
    return {
        **verdict.model_dump(mode="json", exclude={"schema_", "policy"}),
        "failed": verdict.failed,
        "digest": verdict.digest,
        "page": str(judged.page),
    }
