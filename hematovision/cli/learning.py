"""`run`, `ingest`, `train`, `register`: pipelines started, their artifacts told."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hematovision.cli.learning_tables import show_candidate, show_ingestion, show_run
from hematovision.cli.output import Output, command


def configured(
    data: str | None, config: Path | None, on_leakage: str | None, folds: int | None, seed: int | None
) -> Any:
    """The configuration that a command line asks for."""
    from hematovision.config import load_config

    split = {name: value for name, value in (("on_leakage", on_leakage), ("folds", folds)) if value is not None}
    changes = {"data": data, "seed": seed, "split": split or None}
    return load_config(config, {name: value for name, value in changes.items() if value is not None})


def _place(config: Any) -> dict[str, Any]:
    """Where the data lie; what no run could read is refused here, before seconds of imports.

    Raises:
        UsageError: by its names alone it is no data set.
    """
    from hematovision.config import data_path

    path, embedded = data_path(config), config.data == "synthetic"
    if not embedded:
        from hematovision.data.sources.recognition import recognise

        recognise(path, None)
    return {"path": str(path), "embedded": embedded}


def _start(pipeline: Any, config: Any, place: dict[str, Any], refused: Callable[[Any], None] | None = None) -> Any:
    from pipelines.execution import execute

    return execute(pipeline, refused=refused, config=config, **place)


def run(
    data: str | None, config: Path | None, *, on_leakage: str | None, folds: int | None, seed: int | None, as_json: bool
) -> None:
    """The whole pipeline, and its summary."""
    with command(as_json) as output:
        started = time.monotonic()
        settings = configured(data, config, on_leakage, folds, seed)
        place = _place(settings)
        from pipelines.training import training_pipeline

        finished = _start(training_pipeline, settings, place)
        summary = finished.artifact("register_model", "summary").model_dump()
        verdict = finished.artifact("judge_model", "verdict").model_dump()
        output.result({**summary, "verdict": verdict, "seconds": round(time.monotonic() - started, 1)}, show_run)


def train(
    data: str | None, config: Path | None, *, on_leakage: str | None, folds: int | None, seed: int | None, as_json: bool
) -> None:
    """The pipeline up to the candidate."""
    with command(as_json) as output:
        started = time.monotonic()
        settings = configured(data, config, on_leakage, folds, seed)
        place = _place(settings)
        from pipelines.training import candidate_pipeline

        finished = _start(candidate_pipeline, settings, place)
        summary = finished.artifact("write_report", "candidate").model_dump()
        output.result({**summary, "seconds": round(time.monotonic() - started, 1)}, show_candidate)


def ingest(
    data: str | None, config: Path | None, *, on_leakage: str | None, folds: int | None, seed: int | None, as_json: bool
) -> None:
    """The front half; a refusal still tells what was found."""
    with command(as_json) as output:
        settings = configured(data, config, on_leakage, folds, seed)
        place = _place(settings)
        from pipelines.ingestion import ingestion_pipeline

        _tell(output, _start(ingestion_pipeline, settings, place, refused=lambda run: _tell(output, run)))


def _tell(output: Output, finished: Any) -> None:
    if not finished.has("ingest"):
        return
    cells = finished.artifact("ingest", "cells")
    leakage = finished.artifact("ingest", "leakage")
    verdicts = [finished.artifact(step, "validation") for step in ("validate", "validate_2") if finished.has(step)]
    failed = {(item.expectation, item.column): item.model_dump() for verdict in verdicts for item in verdict.failed}
    document = {
        "accepted": len(cells),
        "classes": {str(label): int(count) for label, count in cells["label"].value_counts().sort_index().items()},
        "version": str(finished.artifact("ingest", "data_version")),
        "quarantined": finished.artifact("ingest", "quarantine").to_dict("records"),
        "validation": {
            "success": bool(verdicts) and all(verdict.success for verdict in verdicts),
            "failed": list(failed.values()),
        },
        "leakage": {
            "pairs": leakage.pairs,
            "groups": leakage.groups,
            "examples": [[pair.first, pair.second] for pair in leakage.examples],
        },
        "data_docs": verdicts[-1].docs_path if verdicts else None,
    }
    output.result(document, show_ingestion)
