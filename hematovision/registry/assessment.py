"""What is measured of a candidate before it is registered: its folds, and the packaged model on the golden set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from hematovision.config import EvaluationSettings, TrustSettings
from hematovision.data.golden import GoldenSet
from hematovision.data.manifest import GOLDEN
from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused
from hematovision.evaluation.calibration import softmax
from hematovision.evaluation.cross_fitting import cross_fit
from hematovision.evaluation.cross_validation import CrossValidation, FoldPredictions, pool_folds
from hematovision.evaluation.metrics import Evaluation, evaluate
from hematovision.evaluation.slices import Slices, slice_errors
from hematovision.evaluation.trust import Trust, Trusted, assess_trust
from hematovision.learning.folds import FoldOutcome, class_names, out_of_fold_logits
from hematovision.progress import Progress
from hematovision.registry.predictor import Answers, Predictor
from hematovision.registry.scoring import score_rows


def known_groups(rows: pd.DataFrame) -> list[str] | None:
    """The groups cells share, or None where each stands alone as far as is known."""
    return None if rows["group"].is_unique else list(rows["group"])


class ErrorAnalysis(BaseModel):
    """Where the model fails on the golden set, and where its folds did on cells they had not seen."""

    model_config = ConfigDict(frozen=True)

    golden: Slices
    folds: Slices


def golden_truth(manifest: pd.DataFrame, classes: Sequence[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """The golden rows in order of path, and their class numbers (N,)."""
    rows = manifest[manifest["split"] == GOLDEN].sort_values("path", kind="stable")
    return rows, np.array([classes.index(label) for label in rows["label"]], dtype=np.int64)


def analyse_errors(
    manifest: pd.DataFrame,
    outcomes: Sequence[FoldOutcome],
    probabilities: np.ndarray,
    settings: EvaluationSettings,
) -> ErrorAnalysis:
    """Slices of the golden set and, apart from them, of the out-of-fold answers.

    Args:
        probabilities: (N, C) of the golden rows in order of path, as `evaluate_golden` gives them.
    """
    golden, truth = golden_truth(manifest, class_names(manifest))
    rows, out_of_fold, logits = out_of_fold_logits(manifest, outcomes)
    return ErrorAnalysis(
        golden=_slices(golden, probabilities.argmax(axis=1) == truth, "golden set", settings),
        folds=_slices(rows, logits.argmax(axis=1) == out_of_fold, "out-of-fold cells", settings),
    )


def _slices(rows: pd.DataFrame, correct: np.ndarray, cells: str, settings: EvaluationSettings) -> Slices:
    return slice_errors(
        rows, correct, settings.slices, cells=cells, groups=known_groups(rows), confidence=settings.confidence
    )


def cross_validate(
    manifest: pd.DataFrame,
    outcomes: Sequence[FoldOutcome],
    settings: EvaluationSettings,
    trust: TrustSettings,
    *,
    seed: int,
) -> CrossValidation:
    """Score the folds; probabilities are as trained, and in `trust` calibrated by the other folds."""
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
    scored = pool_folds(
        classes,
        folds,
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=seed,
        ece_bins=settings.ece_bins,
    )
    return scored.model_copy(update={"trust": _trust_out_of_fold(manifest, outcomes, settings, trust, seed)})


def _trust_out_of_fold(
    manifest: pd.DataFrame,
    outcomes: Sequence[FoldOutcome],
    settings: EvaluationSettings,
    trust: TrustSettings,
    seed: int,
) -> Trust:
    rows, truth, logits = out_of_fold_logits(manifest, outcomes)
    fitted = cross_fit(logits, truth, rows["fold"].to_numpy(), confidence=trust.confidence)
    answers = Trusted(
        probabilities=fitted.probabilities,
        sets=fitted.sets,
        uncompleted=fitted.uncompleted,
        always=fitted.always,
        asked=trust.confidence,
    )
    return _assessed(class_names(manifest), truth, answers, known_groups(rows), settings, seed)


def _assessed(
    classes: Sequence[str],
    truth: np.ndarray,
    answers: Trusted,
    groups: list[str] | None,
    settings: EvaluationSettings,
    seed: int,
) -> Trust:
    return assess_trust(
        classes,
        truth,
        answers,
        groups=groups,
        shares=settings.answered_shares,
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=seed,
        ece_bins=settings.ece_bins,
    )


def evaluate_answers(
    predictor: Predictor,
    truth: np.ndarray,
    answers: Answers,
    groups: list[str] | None,
    settings: EvaluationSettings,
    *,
    seed: int,
) -> Evaluation:
    """Score a served model's answers to cells it was not made from, what they say of their own doubt included."""
    specification = predictor.specification
    evaluation = evaluate(
        specification.classes,
        truth,
        answers.probabilities,
        groups=groups,
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=seed,
        ece_bins=settings.ece_bins,
    )
    given = Trusted(
        probabilities=answers.probabilities,
        sets=answers.sets,
        uncompleted=answers.uncompleted,
        always=specification.sets.always,
        asked=specification.sets.confidence,
        scores=answers.strangeness,
        promised=specification.familiar.false_flag_rate,
    )
    return evaluation.model_copy(
        update={"trust": _assessed(specification.classes, truth, given, groups, settings, seed)}
    )


def golden_answers(manifest: pd.DataFrame, probabilities: np.ndarray, classes: Sequence[str]) -> str:
    """A CSV of what a model said of each golden cell: path, sha256, label, and the probability of every class.

    Args:
        probabilities: (N, C) of the golden rows in order of path, as `evaluate_golden` gives them.
    """
    rows, _ = golden_truth(manifest, classes)
    chances = pd.DataFrame(probabilities, columns=[f"p({label})" for label in classes])
    return str(
        pd.concat([rows[["path", "sha256", "label"]].reset_index(drop=True), chances], axis=1).to_csv(index=False)
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
    groups = known_groups(scored.rows)
    evaluation = evaluate_answers(predictor, scored.truth, scored.answers, groups, settings, seed=seed)
    return evaluation, scored.answers.probabilities
