"""What is measured of a candidate before it is registered: its folds, and the packaged model on the golden set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hematovision.config import EvaluationSettings
from hematovision.data.golden import GoldenSet
from hematovision.data.manifest import GOLDEN
from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused
from hematovision.evaluation.calibration import softmax
from hematovision.evaluation.cross_validation import CrossValidation, FoldPredictions, pool_folds
from hematovision.evaluation.metrics import Evaluation, evaluate
from hematovision.learning.fitting import Progress
from hematovision.learning.folds import FoldOutcome, class_names
from hematovision.registry.predictor import Predictor
from hematovision.registry.scoring import score_rows


def known_groups(rows: pd.DataFrame) -> list[str] | None:
    """The groups cells share, or None where each stands alone as far as is known."""
    return None if rows["group"].is_unique else list(rows["group"])


def cross_validate(
    manifest: pd.DataFrame, outcomes: Sequence[FoldOutcome], settings: EvaluationSettings, *, seed: int
) -> CrossValidation:
    """Score the folds; probabilities are as trained, before the temperature that these same cells chose."""
    classes = class_names(manifest)
    table = manifest.set_index("path", drop=False)
    folds = []
    for outcome in outcomes:
        rows = table.loc[outcome.paths]
        folds.append(
            FoldPredictions(
                fold=outcome.fold,
                truth=np.array([classes.index(label) for label in rows["label"]], dtype=np.int64),
                probabilities=softmax(np.array(outcome.logits), 1.0),
                groups=list(rows["group"]),
                epochs=outcome.epochs,
                seconds=outcome.seconds,
            )
        )
    return pool_folds(
        classes,
        folds,
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=seed,
        ece_bins=settings.ece_bins,
    )


def evaluate_golden(
    manifest: pd.DataFrame,
    package: Path,
    golden: GoldenSet,
    store: ImageStore,
    settings: EvaluationSettings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> tuple[Evaluation, np.ndarray]:
    """Score the packaged model, as it would serve, on the golden cells of the manifest.

    Returns:
        The evaluation, and probabilities (N, C) by golden row in order of path.

    Raises:
        GateRefused: the model was made beside another golden set.
    """
    predictor = Predictor.load(package)
    if predictor.specification.golden_digest != golden.digest:
        raise GateRefused(
            f"The model was made beside golden set {predictor.specification.golden_digest[:12]}, "
            f"not {golden.digest[:12]}."
        )
    rows = manifest[manifest["split"] == GOLDEN].sort_values("path", kind="stable")
    scored = score_rows(predictor, rows, store, progress=progress)
    evaluation = evaluate(
        predictor.specification.classes,
        scored.truth,
        scored.answers.probabilities,
        groups=known_groups(scored.rows),
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=seed,
        ece_bins=settings.ece_bins,
    )
    return evaluation, scored.answers.probabilities
