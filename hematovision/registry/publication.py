"""From a finished candidate to a registered version, with a summary that the command line prints."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from hematovision.config import RunConfig
from hematovision.data.decoding import encode_png
from hematovision.data.synthetic.dataset import draw_planned
from hematovision.data.synthetic.scanner import load_scanners
from hematovision.evaluation.cross_validation import CrossValidation
from hematovision.evaluation.intervals import Interval
from hematovision.evaluation.metrics import Evaluation
from hematovision.home import CONFIGS, Home
from hematovision.learning.fitting import Epoch
from hematovision.provenance import git_commit
from hematovision.registry.mlflow_registry import Evidence, Registration, register
from hematovision.registry.package import package_digest, verify_package
from hematovision.registry.versions import requester


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


class CandidateSummary(_Part):
    """A trained and evaluated model without a version; `report` and `package` are where they lie."""

    data: DataSummary
    golden: GoldenSummary
    cross_validation: FoldsSummary
    report: str
    package: str


class RunSummary(CandidateSummary):
    """What a run ends with; `hematovision run --json` prints it."""

    model: Registration


def flat_settings(config: RunConfig) -> dict[str, str]:
    """Settings as MLflow parameters, `learning.training.dropout` and so on."""

    def flatten(prefix: str, value: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            return {prefix: str(value)[:500]}
        below = (flatten(f"{prefix}.{key}" if prefix else key, part) for key, part in value.items())
        return {name: text for part in below for name, text in part.items()}

    return flatten("", config.model_dump(exclude={"search"}))


def _metrics(cross_validation: CrossValidation, golden: Evaluation) -> dict[str, float]:
    figures = {
        "golden_accuracy": golden.accuracy,
        "golden_macro_f1": golden.macro_f1,
        "golden_ece": golden.ece,
        "golden_brier": golden.brier,
        **_set_figures(golden),
        "fold_accuracy": cross_validation.accuracy,
        "fold_macro_f1": cross_validation.macro_f1,
    }
    ends = (("", "value"), ("_low", "low"), ("_high", "high"))
    named = {f"{name}{end}": getattr(figure, part) for name, figure in figures.items() for end, part in ends}
    recalls = {
        f"golden_recall_{label}": scores.recall.value for label, scores in golden.per_class.items() if scores.recall
    }
    return {**named, **recalls, "golden_n": golden.n}


def _set_figures(golden: Evaluation) -> dict[str, Interval]:
    sets = golden.trust.sets if golden.trust else None
    return {"golden_set_coverage": sets.coverage, "golden_set_size": sets.mean_size} if sets else {}


def _description(golden: Evaluation, version: str, synthetic: bool) -> str:
    lines = [
        "**Synthetic data only: says nothing about real cells.**" if synthetic else "",
        f"Golden set: accuracy {golden.accuracy.value:.3f} "
        f"(95 % {golden.accuracy.low:.3f}–{golden.accuracy.high:.3f}), "
        f"macro-F1 {golden.macro_f1.value:.3f}, n = {golden.n}.",
        f"Data {version}. The report is `report.html` among the artifacts of the source run.",
        "Not a medical device: the final word is a person's.",
    ]
    return "\n\n".join(line for line in lines if line)


def keep_candidate(
    home: Home,
    package: Path,
    report: str,
    cells: int,
    quarantined: int,
    cross_validation: CrossValidation,
    golden: Evaluation,
    source: str,
) -> CandidateSummary:
    """Keep a candidate's package and report below the home's runs, named by the model's digest, and sum them up."""
    specification = verify_package(package)
    folder = home.runs / f"candidate-{package_digest(package)[:12]}"
    shutil.copytree(package, folder / "package", dirs_exist_ok=True)
    page = folder / "report.html"
    page.write_text(report, encoding="utf-8")
    return CandidateSummary(
        data=DataSummary(
            source=source,
            version=specification.data_version,
            n=cells,
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
        report=str(page),
        package=str(folder / "package"),
    )


def _example(config: RunConfig) -> bytes:
    """A generated cell: an input example must not carry a patient's picture into the registry."""
    scanner = load_scanners(CONFIGS / "scanners.yaml")[config.synthetic.scanner]
    return encode_png(draw_planned(config.synthetic, next(config.synthetic.cells()), scanner))


def publish(
    home: Home,
    candidate: CandidateSummary,
    package: Path,
    reference: Path,
    documents: Mapping[str, str],
    cross_validation: CrossValidation,
    golden: Evaluation,
    curves: Sequence[Epoch],
    config: RunConfig,
    *,
    pipeline_run: str,
) -> RunSummary:
    """Register a candidate as `challenger`; `documents` are text artifacts by path, such as the report."""
    specification = verify_package(package)
    tags = {
        "data_version": specification.data_version,
        "manifest_digest": specification.manifest_digest,
        "golden_digest": specification.golden_digest,
        "git_commit": git_commit(),
        "zenml_run": pipeline_run,
        "model_digest": package_digest(package),
        "synthetic": str(specification.synthetic).lower(),
        "requester": requester(),
    }
    evaluations = {
        "evaluation/golden.json": golden.model_dump_json(indent=2),
        "evaluation/cross_validation.json": cross_validation.model_dump_json(indent=2),
    }
    evidence = Evidence(
        flat_settings(config), _metrics(cross_validation, golden), curves, {**documents, **evaluations}, tags
    )
    description = _description(golden, specification.data_version, specification.synthetic)
    registered = register(home, config.registry.model_name, package, reference, _example(config), evidence, description)
    return RunSummary(**candidate.model_dump(), model=registered)
