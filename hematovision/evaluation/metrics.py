"""Metrics of a classifier on labelled cells, each with n and an interval."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from hematovision.errors import HematoVisionError, UsageError
from hematovision.evaluation.calibration import ReliabilityBin, calibration_error_interval, reliability_bins
from hematovision.evaluation.intervals import (
    FloatArray,
    IntArray,
    Interval,
    Sampling,
    around,
    auroc_interval,
    bounded_mean,
    confusion_limits,
    effective_size,
    proportion,
)
from hematovision.evaluation.trust import Trust


class ClassMetrics(BaseModel):
    """Scores of one class; precision, recall and F1 are None where the truth holds no cell of it."""

    model_config = ConfigDict(frozen=True)

    n: int
    precision: Interval | None
    recall: Interval | None
    f1: Interval | None
    specificity: Interval | None


class Evaluation(BaseModel):
    """What N labelled cells say about a model.

    Macro scores average over the classes present in the truth. `auroc` is the macro one-vs-rest area, None where a
    class is absent. `brier` is the multi-class score halved, so that it lies in [0, 1]. `effective_n` is the number of
    independent cells the N are worth, see `intervals.effective_size`. `confusion` has the truth in its rows.
    `trust` is there where the answers came with prediction sets.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    groups: int | None
    effective_n: float
    confidence: float
    classes: list[str]
    accuracy: Interval
    macro_precision: Interval
    macro_recall: Interval
    macro_f1: Interval
    auroc: Interval | None
    ece: Interval
    brier: Interval
    log_loss: float
    per_class: dict[str, ClassMetrics]
    confusion: list[list[int]]
    reliability: list[ReliabilityBin]
    trust: Trust | None = None

    @property
    def absent(self) -> list[str]:
        """Classes without a cell in the truth; macro scores leave them out."""
        return [name for name in self.classes if self.per_class[name].n == 0]


def evaluate(
    classes: Sequence[str],
    truth: IntArray,
    probabilities: FloatArray,
    *,
    groups: Sequence[str] | None,
    confidence: float,
    resamples: int,
    seed: int,
    ece_bins: int,
) -> Evaluation:
    """Score probabilities (N, C) against the truth.

    Args:
        classes: C class names in the order of the columns.
        truth, probabilities: (N,) class indices, and (N, C) with rows summing to 1.
        groups: N names of the unit cells share (slide, photograph, patient); None where cells are independent.
        confidence, resamples, seed: coverage of the intervals, number of random draws, seed of their generator.
        ece_bins: number of equal-width bins of the calibration error and the reliability curve.

    Raises:
        UsageError: no cell, or fewer than two classes. HematoVisionError: arrays that do not fit, or no probabilities.
    """
    from sklearn.metrics import confusion_matrix, log_loss

    truth, probabilities = _checked(classes, truth, probabilities, groups)
    n, labels, predicted = len(truth), np.arange(len(classes)), probabilities.argmax(axis=1)
    correct, losses = (predicted == truth).astype(np.float64), _brier_scores(truth, probabilities)
    effective = min(effective_size(found, groups, confidence=confidence) for found in (correct, losses))
    sampling = Sampling(share=effective / n, confidence=confidence, resamples=resamples, seed=seed)
    confusion = confusion_matrix(truth, predicted, labels=labels).astype(np.int64)
    macro_precision, macro_recall, macro_f1 = _macro_intervals(truth, predicted, confusion, sampling)
    return Evaluation(
        n=n,
        groups=None if groups is None else len(set(groups)),
        effective_n=effective,
        confidence=confidence,
        classes=list(classes),
        accuracy=_share_of(correct.sum(), n, sampling),
        macro_precision=macro_precision,
        macro_recall=macro_recall,
        macro_f1=macro_f1,
        auroc=_auroc(truth, probabilities, sampling),
        ece=calibration_error_interval(probabilities, truth, bins=ece_bins, sampling=sampling),
        brier=bounded_mean(losses, sampling),
        log_loss=float(log_loss(truth, probabilities, labels=labels)),
        per_class={name: _class_metrics(confusion, index, sampling) for index, name in enumerate(classes)},
        confusion=confusion.tolist(),
        reliability=reliability_bins(probabilities, truth, bins=ece_bins, confidence=confidence, share=effective / n),
    )


def _checked(
    classes: Sequence[str], truth: IntArray, probabilities: FloatArray, groups: Sequence[str] | None
) -> tuple[IntArray, FloatArray]:
    truth, probabilities = np.asarray(truth, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    if len(truth) == 0:
        raise UsageError("there is no cell to evaluate: no image has a label that the model knows")
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise UsageError(f"an evaluation needs two or more different classes, got {list(classes)}")
    if probabilities.shape != (len(truth), len(classes)):
        raise HematoVisionError(
            f"{len(truth)} labels of {len(classes)} classes do not fit probabilities of shape {probabilities.shape}"
        )
    if truth.min() < 0 or truth.max() >= len(classes):
        raise HematoVisionError(f"a label index lies outside 0..{len(classes) - 1}")
    if groups is not None and len(groups) != len(truth):
        raise HematoVisionError(f"{len(groups)} groups do not fit {len(truth)} labels")
    sums = probabilities.sum(axis=1)
    if not np.isfinite(probabilities).all() or probabilities.min() < 0 or np.abs(sums - 1).max() > 1e-3:
        raise HematoVisionError("the model's outputs are not probabilities: negative, not finite or not summing to 1")
    return truth, probabilities / sums[:, None]


def _brier_scores(truth: IntArray, probabilities: FloatArray) -> FloatArray:
    """(N,) half the squared distance to the true class, in [0, 1]; their mean is scikit-learn's halved Brier score."""
    return np.asarray(np.square(probabilities - np.eye(probabilities.shape[1])[truth]).sum(axis=1) / 2)


def _share_of(hits: float, n: float, sampling: Sampling) -> Interval:
    return proportion(float(hits), float(n), share=sampling.share, confidence=sampling.confidence)


def _macro_scores(confusion: FloatArray, present: IntArray) -> FloatArray:
    """(..., 3) macro precision, recall and F1 over the classes present, of (..., C, C) matrices of any scale."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)[..., present]
    true, predicted = confusion.sum(axis=-1)[..., present], confusion.sum(axis=-2)[..., present]
    tiny = np.finfo(np.float64).tiny
    precision, recall = hits / np.maximum(predicted, tiny), hits / np.maximum(true, tiny)
    f1 = 2 * hits / np.maximum(true + predicted, tiny)
    return np.stack([precision.mean(axis=-1), recall.mean(axis=-1), f1.mean(axis=-1)], axis=-1)


def _macro_intervals(truth: IntArray, predicted: IntArray, confusion: IntArray, sampling: Sampling) -> list[Interval]:
    from sklearn.metrics import precision_recall_fscore_support

    present = np.unique(truth)
    values = precision_recall_fscore_support(truth, predicted, labels=present, average="macro", zero_division=0)
    low, high = confusion_limits(confusion, lambda drawn: _macro_scores(drawn, present), sampling)
    return [around(values[i], low[i], high[i]) for i in range(3)]


def _class_metrics(confusion: IntArray, index: int, sampling: Sampling) -> ClassMetrics:
    """One class against the rest. F1 = 2J / (1 + J) rises with the proportion J = hits / (true or predicted)."""
    hits, true = int(confusion[index, index]), int(confusion[index].sum())
    predicted, n = int(confusion[:, index].sum()), int(confusion.sum())
    specificity = _share_of(n - true - predicted + hits, n - true, sampling) if n > true else None
    if true == 0:
        return ClassMetrics(n=0, precision=None, recall=None, f1=None, specificity=specificity)
    jaccard = _share_of(hits, true + predicted - hits, sampling)
    return ClassMetrics(
        n=true,
        precision=_share_of(hits, predicted, sampling),
        recall=_share_of(hits, true, sampling),
        f1=around(*(2 * j / (1 + j) for j in (jaccard.value, jaccard.low, jaccard.high))),
        specificity=specificity,
    )


def _auroc(truth: IntArray, probabilities: FloatArray, sampling: Sampling) -> Interval | None:
    from sklearn.metrics import roc_auc_score

    counts = np.bincount(truth, minlength=probabilities.shape[1])
    if (counts == 0).any():
        return None
    areas = [
        auroc_interval(
            float(roc_auc_score(truth == index, probabilities[:, index])),
            count * sampling.share,
            (len(truth) - count) * sampling.share,
            confidence=sampling.confidence,
        )
        for index, count in enumerate(counts)
    ]
    return around(*(float(np.mean([getattr(a, part) for a in areas])) for part in ("value", "low", "high")))
