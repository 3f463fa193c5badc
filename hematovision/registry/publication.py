"""From a finished candidate to a registered version, with a summary that the command line prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from hematovision.config import RunConfig
from hematovision.data.decoding import encode_png
from hematovision.data.synthetic.dataset import draw_planned
from hematovision.data.synthetic.scanner import load_scanners
from hematovision.data.versioning import DataVersion
from hematovision.evaluation.cross_validation import CrossValidation
from hematovision.evaluation.intervals import Interval
from hematovision.evaluation.metrics import Evaluation
from hematovision.home import CONFIGS, Home
from hematovision.learning.training import Epoch
from hematovision.provenance import git_commit
from hematovision.registry.mlflow_registry import Evidence, Registration, register
from hematovision.registry.package import package_digest, verify_package


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class DataSummary(_Part):
    """Which data: where from, exact version, number of accepted cells, their classes."""

    source: str
    version: str
    n: int
    quarantined: int
    classes: list[str]
    synthetic: bool


class GoldenSummary(_Part):
    """The packaged model on the golden set."""

    n: int
    accuracy: Interval
    macro_f1: Interval
    ece: Interval


class FoldsSummary(_Part):
    """Means over the folds."""

    folds: int
    n: int
    accuracy: Interval
    macro_f1: Interval


class RunSummary(_Part):
    """What a run ends with; `hematovision run --json` prints it."""

    data: DataSummary
    golden: GoldenSummary
    cross_validation: FoldsSummary
    model: Registration
    report: str


def flat_settings(config: RunConfig) -> dict[str, str]:
    """Settings as MLflow parameters, `learning.training.dropout` and so on."""

    def flatten(prefix: str, value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            return {prefix: str(value)[:500]}
        return {name: text for key, below in value.items() for name, text in flatten(f"{prefix}.{key}" if prefix else key, below).items()}

    return flatten("", config.model_dump())


def _metrics(cross_validation: CrossValidation, golden: Evaluation) -> dict[str, float]:
    figures = {
        "golden_accuracy": golden.accuracy,
        "golden_macro_f1": golden.macro_f1,
        "golden_ece": golden.ece,
        "golden_brier": golden.brier,
        "fold_accuracy": cross_validation.accuracy,
        "fold_macro_f1": cross_validation.macro_f1,
    }
    named = {f"{name}{end}": getattr(figure, part) for name, figure in figures.items() for end, part in (("", "value"), ("_low", "low"), ("_high", "high"))}
    recalls = {f"golden_recall_{label}": scores.recall.value for label, scores in golden.per_class.items() if scores.recall}
    return {**named, **recalls, "golden_n": golden.n}


def _description(golden: Evaluation, version: DataVersion, synthetic: bool) -> str:
    lines = [
        "**Synthetic data only: says nothing about real cells.**" if synthetic else "",
        f"Golden set: accuracy {golden.accuracy.value:.3f} (95 % {golden.accuracy.low:.3f}–{golden.accuracy.high:.3f}), "
        f"macro-F1 {golden.macro_f1.value:.3f}, n = {golden.n}.",
        f"Data {version}. The report is `report.html` among the artifacts of the source run.",
        "Not a medical device: the final word is a person's.",
    ]
    return "\n\n".join(line for line in lines if line)


def publish(
    home: Home,
    manifest: pd.DataFrame,
    quarantined: int,
    package: Path,
    reference: Path,
    report: str,
    cross_validation: CrossValidation,
    golden: Evaluation,
    curves: Sequence[Epoch],
    version: DataVersion,
    config: RunConfig,
    *,
    pipeline_run: str,
) -> RunSummary:
    """Register a candidate as `challenger` and keep its report beside the runs."""
    specification = verify_package(package)
    scanner = load_scanners(CONFIGS / "scanners.yaml")[config.synthetic.scanner]
    example = encode_png(draw_planned(config.synthetic, next(config.synthetic.cells()), scanner))
    tags = {
        "data_version": str(version),
        "manifest_digest": specification.manifest_digest,
        "golden_digest": specification.golden_digest,
        "git_commit": git_commit(),
        "zenml_run": pipeline_run,
        "model_digest": package_digest(package),
        "synthetic": str(specification.synthetic).lower(),
    }
    evidence = Evidence(
        flat_settings(config),
        _metrics(cross_validation, golden),
        curves,
        {
            "report.html": report,
            "evaluation/golden.json": golden.model_dump_json(indent=2),
            "evaluation/cross_validation.json": cross_validation.model_dump_json(indent=2),
            "data/manifest.csv": manifest.to_csv(index=False),
        },
        tags,
    )
    registered = register(
        home, config.registry.model_name, package, reference, example, evidence, _description(golden, version, specification.synthetic)
    )
    page = home.runs / f"{registered.name}-v{registered.version}" / "report.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(report, encoding="utf-8")
    return RunSummary(
        data=DataSummary(
            source=config.data,
            version=str(version),
            n=len(manifest),
            quarantined=quarantined,
            classes=specification.classes,
            synthetic=specification.synthetic,
        ),
        golden=GoldenSummary(n=golden.n, accuracy=golden.accuracy, macro_f1=golden.macro_f1, ece=golden.ece),
        cross_validation=FoldsSummary(
            folds=len(cross_validation.folds),
            n=cross_validation.pooled.n,
            accuracy=cross_validation.accuracy,
            macro_f1=cross_validation.macro_f1,
        ),
        model=registered,
        report=str(page),
    )


