"""`improve`: a challenger made of the champion and of what people corrected."""

import time
from pathlib import Path
from typing import Any

from hematovision.cli.improvement_tables import show_improvement
from hematovision.cli.output import Output, command


def improve(config: Path | None, *, as_json: bool) -> None:
    """Gather, retrain where it is worth it, and tell what was gained."""
    with command(as_json) as output:
        started = time.monotonic()
        from hematovision.config import load_config
        from hematovision.home import locate_home
        from hematovision.improvement.gathering import PutOff, gather

        settings, home = load_config(config), locate_home()
        material = gather(home, settings)
        if isinstance(material, PutOff):
            output.result({"improved": False, **material.model_dump()}, show_improvement)
            return
        _retrain(output, home, settings, material, started)


def _retrain(output: Output, home: Any, settings: Any, material: Any, started: float) -> None:
    from hematovision.improvement.conclusion import conclude
    from hematovision.improvement.gathering import improved_config
    from pipelines.execution import execute
    from pipelines.improvement import improvement_pipeline

    finished = execute(improvement_pipeline, config=improved_config(settings, material), material=material)
    improved = conclude(
        home,
        settings,
        material,
        finished.artifact("register_model", "summary"),
        finished.artifact("measure_gain", "new_cells"),
        finished.artifact("doubt_labels", "doubts"),
        str(finished.artifact("explain_change", "change")),
    )
    verdict = finished.artifact("judge_model", "verdict").model_dump()
    document = {
        "improved": True,
        **improved.model_dump(),
        "verdict": verdict,
        "seconds": round(time.monotonic() - started, 1),
    }
    output.result(document, show_improvement)
