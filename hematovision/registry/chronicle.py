"""What the steps of a run leave in the ledger, each record once however often a step is tried."""

from pathlib import Path
from typing import Any

from hematovision.data.golden import GoldenSet
from hematovision.data.validation import ValidationResult
from hematovision.data.versioning import DataVersion
from hematovision.evaluation.metrics import Evaluation
from hematovision.home import Home
from hematovision.ledger import Record, open_ledger
from hematovision.provenance import git_commit
from hematovision.registry.package import package_digest, verify_package
from hematovision.registry.versions import requester

FIGURES = ("accuracy", "macro_f1", "ece", "brier")


def record_validation(
    home: Home, database: str | None, result: ValidationResult, version: DataVersion, *, suite: str, run: str
) -> Record:
    """That a data version was checked, by which suite, and what failed.

    Args:
        database: the setting `records.database`. run: of ZenML.
    """
    content = {
        "run": run,
        "suite": suite,
        "success": result.success,
        "statistics": result.statistics,
        "failed": [
            {"expectation": one.expectation, "column": one.column, "severity": one.severity, "count": one.count}
            for one in result.failed
        ],
    }
    return open_ledger(home, database).append(
        "validation", f"data:{version}", content, actor=requester(), unique=f"validation:{run}:{suite}"
    )


def record_training(
    home: Home,
    database: str | None,
    package: Path,
    golden: GoldenSet,
    *,
    run: str,
    cells: int,
    continues: str | None = None,
) -> Record:
    """That a model was trained, from which data, code and settings.

    Args:
        cells: it was trained on. continues: the version, NAME/VERSION, whose networks it went on from.
    """
    specification, digest = verify_package(package), package_digest(package)
    named = ("data_version", "manifest_digest", "golden_digest", "backbone", "weights", "seed", "synthetic", "software")
    content = {
        "run": run,
        "model_digest": digest,
        "cells": cells,
        "continues": continues,
        "git_commit": git_commit(),
        **specification.model_dump(include=set(named)),
        **({"adapted": specification.adapted.model_dump()} if specification.adapted else {}),
        "artifacts": {"package": {"sha256": digest}, **_golden_artifact(home, golden)},
    }
    return open_ledger(home, database).append(
        "training", f"model-digest:{digest}", content, actor=requester(), unique=f"training:{run}:{digest}"
    )


def record_evaluation(
    home: Home,
    database: str | None,
    evaluation: Evaluation,
    package: Path,
    *,
    run: str,
    golden: GoldenSet | None = None,
) -> Record:
    """What a model scored, on the golden set or, without one, on cells from elsewhere."""
    digest = package_digest(package)
    content: dict[str, Any] = {
        "run": run,
        "model_digest": digest,
        "on": "golden set" if golden else "cells from elsewhere",
        "n": evaluation.n,
        **{name: getattr(evaluation, name).model_dump() for name in FIGURES},
    }
    if golden:
        content |= {"golden_digest": golden.digest, "artifacts": _golden_artifact(home, golden)}
    return open_ledger(home, database).append(
        "evaluation", f"model-digest:{digest}", content, actor=requester(), unique=f"evaluation:{run}:{digest}"
    )


def _golden_artifact(home: Home, golden: GoldenSet) -> dict[str, Any]:
    """The table of a golden set: its digest is that of the file's bytes."""
    table = golden.folder / "golden.csv"
    inside = table.is_relative_to(home.root)
    return {"golden": {"sha256": golden.digest, "uri": f"home:{table.relative_to(home.root)}" if inside else None}}
