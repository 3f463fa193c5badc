"""`adapt`: a version moved towards unlabelled pictures of a new site."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hematovision.cli.output import command


def adapt(model: str, data: Path, config: Path | None, *, as_json: bool) -> None:
    """Gather, move, register, and tell what the move cost at home."""
    with command(as_json) as output:
        started = time.monotonic()
        from hematovision.config import load_config
        from hematovision.home import locate_home
        from hematovision.improvement.new_site import gather_site
        from pipelines.adaptation import adaptation_pipeline
        from pipelines.execution import execute

        site, settings = gather_site(locate_home(), load_config(config), model, data.expanduser().resolve())
        finished = execute(adaptation_pipeline, config=settings, site=site)
        document = {
            **site.adapted.model_dump(),
            "left_out": site.left_out,
            "run": finished.artifact("register_model", "summary").model_dump(),
            "verdict": finished.artifact("judge_model", "verdict").model_dump(),
            "seconds": round(time.monotonic() - started, 1),
        }
        output.result(document, _show)


def _show(console: Any, document: Mapping[str, Any]) -> None:
    from hematovision.cli.tables import NOT_A_DEVICE, facts, interval

    run, verdict = document["run"], document["verdict"]
    rows = {
        "moved": f"{document['base']}, towards {document['pictures']} pictures without labels",
        "left out": f"{len(document['left_out'])} pictures" if document["left_out"] else "none",
        f"golden set, n = {run['golden']['n']}": f"accuracy {interval(run['golden']['accuracy'])}, of the home site",
        "challenger": f"{run['model']['name']} version {run['model']['version']}",
        "gates": "passed" if verdict["passed"] else f"failed: {', '.join(verdict['failed'])}",
        "time": f"{document['seconds']:.0f} s",
    }
    facts(console, "Adapted to another site (95 % intervals in brackets)", rows)
    for picture in document["left_out"][:5]:
        console.print(f"{picture['path']}: {picture['reason']}", soft_wrap=True, markup=False, highlight=False)
    console.print(
        "Nothing here says how right it is at the new site: score it there on labelled cells with "
        f"`hematovision evaluate --model {run['model']['uri']} --data PATH`.",
        soft_wrap=True,
    )
    console.print(f"Report    {run['report']}", soft_wrap=True, markup=False, highlight=False)
    console.print(NOT_A_DEVICE, style="dim")
