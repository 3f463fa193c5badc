"""`explain`, `robustness`: where a registered model looks, and what it stands."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from hematovision.cli.examination_tables import show_explanations, show_robustness
from hematovision.cli.output import command


def _run_folder(name: str) -> Path:
    from hematovision.home import locate_home

    return locate_home().runs / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"


def explain(
    model: str, paths: list[Path], label: str | None, output: Path | None, config: Path | None, *, as_json: bool
) -> None:
    """Write a picture with its heat map for every image."""
    with command(as_json) as told:
        from hematovision.config import load_config
        from hematovision.data.pictures import pictures_in
        from hematovision.errors import GateRefused
        from hematovision.home import locate_home
        from hematovision.progress import progress_bar
        from hematovision.registry.explanation import Explainer, write_explanations
        from hematovision.registry.mlflow_registry import fetch_model

        reading = load_config(config).reading
        pictures = pictures_in(paths, voc_margin=reading.voc_margin, max_pixels=reading.max_pixels)
        explainer = Explainer.load(fetch_model(locate_home(), model) / "artifacts" / "package")
        folder = (output or _run_folder("explain")).expanduser().resolve()
        with progress_bar("Explaining") as progress:
            written, errors = write_explanations(explainer, pictures, folder, label=label, progress=progress)
        document: Mapping[str, Any] = {
            "model": model,
            "synthetic": explainer.specification.synthetic,
            "folder": str(folder),
            "files": [item.model_dump() for item in written],
            "errors": errors,
        }
        told.result(document, show_explanations)
        if not written:
            raise GateRefused(f"Not one of {len(pictures)} images could be read.")


def _severities(text: str | None) -> dict[str, Any]:
    from hematovision.errors import UsageError

    if text is None:
        return {}
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts):
        raise UsageError(f"--severities {text!r}: give numbers from 1 to 5, separated by commas, such as 1,3,5.")
    return {"robustness": {"severities": sorted({int(part) for part in parts})}}


def robustness(model: str, data: str, severities: str | None, config: Path | None, *, as_json: bool) -> None:
    """Score a model on spoilt pictures of labelled cells."""
    with command(as_json) as told:
        started = time.monotonic()
        from hematovision.config import load_config
        from hematovision.home import locate_home
        from hematovision.progress import progress_bar
        from hematovision.registry.robustness import measure_elsewhere

        settings = load_config(config, _severities(severities))
        with progress_bar("Robustness") as progress:
            result = measure_elsewhere(
                locate_home(), model, Path(data).expanduser().resolve(), settings, _run_folder("robustness"), progress
            )
        told.result({**result.model_dump(), "seconds": round(time.monotonic() - started, 1)}, show_robustness)
