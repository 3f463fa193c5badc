"""A registered model scored on labelled cells from elsewhere."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from hematovision.config import EvaluationSettings, ReadingSettings
from hematovision.data.ingestion import Limits, Reading, read_source
from hematovision.data.manifest import manifest_digest
from hematovision.data.sources import open_source
from hematovision.data.store import ImageStore
from hematovision.data.synthetic.dataset import is_synthetic
from hematovision.errors import GateRefused
from hematovision.evaluation.metrics import Evaluation
from hematovision.evaluation.report import render_report
from hematovision.evaluation.report_content import Data, LeftOut, Provenance, ReportContent
from hematovision.evaluation.slices import Slices, slice_errors
from hematovision.home import Home
from hematovision.progress import Progress
from hematovision.provenance import software_versions
from hematovision.registry.assessment import evaluate_answers
from hematovision.registry.candidate_report import Loader
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.package import ModelSpecification
from hematovision.registry.predictor import Predictor
from hematovision.registry.scoring import Scored, score_rows
from hematovision.registry.showing import show_cells


class ExternalEvaluation(BaseModel):
    """What `hematovision evaluate` tells.

    Attributes:
        without_counterpart: cells by label that the model has no class for; they are counted, not scored.
        quarantined: pictures that could not be read, with the reason.
        slices: accuracy of parts of the cells.
    """

    model_config = ConfigDict(frozen=True)

    evaluation: Evaluation
    without_counterpart: dict[str, int]
    quarantined: list[dict[str, str]]
    slices: Slices
    model: str
    data: str
    report: str


def evaluate_elsewhere(
    home: Home,
    model: str,
    path: Path,
    reading: ReadingSettings,
    settings: EvaluationSettings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> ExternalEvaluation:
    """Score a model on a labelled data set and write the report.

    Raises:
        UsageError: no such model or data. GateRefused: nothing readable, or no label in common.
    """
    package = fetch_model(home, model) / "artifacts" / "package"
    predictor = Predictor.load(package)
    store = ImageStore(home.images)
    read = _read(path, store, reading)
    scored = score_rows(predictor, read.manifest, store, progress=progress)
    groups = _stated_groups(scored)
    evaluation = evaluate_answers(predictor, scored.truth, scored.answers, groups, settings, seed=seed)
    slices = _slices(scored, groups, settings)
    content = _content(
        model,
        path,
        read,
        scored,
        evaluation,
        slices,
        package,
        predictor.specification,
        settings,
        Loader(store, reading.max_pixels),
        seed=seed,
    )
    return ExternalEvaluation(
        evaluation=evaluation,
        without_counterpart=scored.without_counterpart,
        quarantined=read.quarantine.to_dict("records"),
        slices=slices,
        model=model,
        data=str(path),
        report=str(_write(home, content)),
    )


def _read(path: Path, store: ImageStore, reading: ReadingSettings) -> Reading[None]:
    source = open_source(path, voc_margin=reading.voc_margin, max_pixels=reading.max_pixels)
    limits = Limits(reading.max_pixels, reading.min_side)
    read = read_source(source, store, limits=limits, workers=reading.workers, describe=lambda _: None)
    if read.manifest.empty:
        raise GateRefused(f"Not one usable image in {path}: {len(read.quarantine)} could not be read.")
    return read


def _stated_groups(scored: Scored) -> list[str] | None:
    """The groups that the source names; None where it leaves any cell without one."""
    groups = list(scored.rows["source_group"])
    return groups if all(groups) else None


def _slices(scored: Scored, groups: list[str] | None, settings: EvaluationSettings) -> Slices:
    right = scored.answers.probabilities.argmax(axis=1) == scored.truth
    return slice_errors(
        scored.rows, right, settings.slices, cells="new data", groups=groups, confidence=settings.confidence
    )


def _write(home: Home, content: ReportContent) -> Path:
    """The report's page, in a folder of its own."""
    page = home.runs / f"evaluate-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:6]}" / "report.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render_report(content), encoding="utf-8")
    return page


def _content(
    model: str,
    path: Path,
    read: Reading[None],
    scored: Scored,
    evaluation: Evaluation,
    slices: Slices,
    package: Path,
    specification: ModelSpecification,
    settings: EvaluationSettings,
    load: Loader,
    *,
    seed: int,
) -> ReportContent:
    gallery = show_cells(
        package,
        scored.rows,
        scored.truth,
        scored.answers.probabilities,
        specification.classes,
        load,
        settings,
        seed=seed,
    )
    counts = read.manifest["label"].value_counts().sort_index()
    return ReportContent(
        model=model,
        evaluated_on="new data",
        data=Data(
            name=path.name,
            version=manifest_digest(read.manifest),
            source=str(path),
            n=len(read.manifest),
            synthetic=is_synthetic(path),
            counts={str(label): {"evaluated": int(n)} for label, n in counts.items()},
            quarantine=[LeftOut(path=row.path, reason=row.reason) for row in read.quarantine.itertuples()],
            without_counterpart=scored.without_counterpart,
        ),
        evaluation=evaluation,
        mistakes=gallery.mistakes,
        correct=gallery.correct,
        notes=gallery.notes,
        slices=[slices],
        slices_shown=settings.slices.shown,
        provenance=Provenance(golden_digest=specification.golden_digest, libraries=software_versions()),
    )
