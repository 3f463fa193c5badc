"""Cross-validation: one result per fold, and what the folds say together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from hematovision.errors import UsageError
from hematovision.evaluation.intervals import FloatArray, IntArray, Interval, around
from hematovision.evaluation.metrics import Evaluation, evaluate
from hematovision.evaluation.trust import Trust


@dataclass(frozen=True)
class FoldPredictions:
    """What a model trained without a fold says about it: truth (N,), probabilities (N, C), N group names or None."""

    fold: int
    truth: IntArray
    probabilities: FloatArray
    groups: Sequence[str] | None
    epochs: int
    seconds: float


class FoldResult(BaseModel):
    """The scores of one fold, its training epochs and its wall time."""

    model_config = ConfigDict(frozen=True)

    fold: int
    n: int
    accuracy: Interval
    macro_f1: Interval
    epochs: int
    seconds: float


class CrossValidation(BaseModel):
    """Scores of k folds. `accuracy` and `macro_f1` are means over the folds; `pooled` scores all cells together.

    `trust` is of all cells together, each fold calibrated by the others (see `cross_fitting`).
    """

    model_config = ConfigDict(frozen=True)

    folds: list[FoldResult]
    accuracy: Interval
    macro_f1: Interval
    pooled: Evaluation
    trust: Trust | None = None


def pool_folds(
    classes: Sequence[str],
    folds: Sequence[FoldPredictions],
    *,
    confidence: float,
    resamples: int,
    seed: int,
    ece_bins: int,
) -> CrossValidation:
    """Summarise the out-of-fold predictions of a cross-validation.

    Args:
        classes: C class names in the order of the columns.
        folds: the predictions of two or more folds, each cell in one fold only.
        confidence, resamples, seed, ece_bins: as in `metrics.evaluate`.

    Raises:
        UsageError: fewer than two folds, or a fold without cells.
    """
    if len(folds) < 2:
        raise UsageError(f"cross-validation needs two or more folds, got {len(folds)}")
    ordered = sorted(folds, key=lambda fold: fold.fold)

    def score(truth: IntArray, probabilities: FloatArray, groups: Sequence[str] | None) -> Evaluation:
        return evaluate(
            classes, truth, probabilities, groups=groups,
            confidence=confidence, resamples=resamples, seed=seed, ece_bins=ece_bins,
        )  # fmt: skip

    results = [_result(fold, score(fold.truth, fold.probabilities, fold.groups)) for fold in ordered]
    pooled = score(
        np.concatenate([fold.truth for fold in ordered]),
        np.concatenate([fold.probabilities for fold in ordered]),
        _pooled_groups(ordered),
    )
    return CrossValidation(
        folds=results,
        accuracy=_over_folds([r.accuracy.value for r in results], pooled.accuracy, confidence),
        macro_f1=_over_folds([r.macro_f1.value for r in results], pooled.macro_f1, confidence),
        pooled=pooled,
    )


def _result(fold: FoldPredictions, scored: Evaluation) -> FoldResult:
    return FoldResult(
        fold=fold.fold,
        n=scored.n,
        accuracy=scored.accuracy,
        macro_f1=scored.macro_f1,
        epochs=fold.epochs,
        seconds=fold.seconds,
    )


def _pooled_groups(folds: Sequence[FoldPredictions]) -> list[str] | None:
    if any(fold.groups is None for fold in folds):
        return None
    return [name for fold in folds for name in fold.groups or ()]


def _over_folds(values: Sequence[float], pooled: Interval, confidence: float) -> Interval:
    """The mean of the folds inside the wider of two intervals: of the folds' spread, and of the pooled cells.

    The spread's variance is corrected for overlapping training sets (Nadeau & Bengio 2003, Machine Learning 52); alone
    it is zero when all folds agree, and no estimate of it is unbiased (Bengio & Grandvalet 2004).
    """
    from scipy.stats import t

    k = len(values)
    mean, variance = float(np.mean(values)), float(np.var(values, ddof=1))
    reach = float(t.ppf(1 - (1 - confidence) / 2, k - 1)) * float(np.sqrt((1 / k + 1 / (k - 1)) * variance))
    return around(mean, min(mean - reach, pooled.low), max(mean + reach, pooled.high))
