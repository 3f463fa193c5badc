"""Calibration: do probabilities mean what they say, and the one number (temperature) that mends them."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from hematovision.errors import HematoVisionError
from hematovision.evaluation.intervals import (
    FloatArray,
    IntArray,
    Interval,
    Sampling,
    around,
    proportion,
    weighted_draws,
)


class ReliabilityBin(BaseModel):
    """Cells whose highest probability lies in (low, high]: how sure the model was and how often it was right."""

    model_config = ConfigDict(frozen=True)

    low: float
    high: float
    n: int
    confidence: float
    accuracy: Interval


def softmax(logits: FloatArray, temperature: float) -> FloatArray:
    """Probabilities (N, C) of logits (N, C) divided by a temperature > 0."""
    from scipy.special import softmax as scipy_softmax

    return np.asarray(scipy_softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1))


def fit_temperature(logits: FloatArray, truth: IntArray) -> float:
    """The temperature in [0.05, 20] that minimises the negative log-likelihood of the truth.

    Args:
        logits: (N, C) from cells that the model was not trained on and that no reported number uses.
        truth: (N,) class indices.

    Raises:
        HematoVisionError: no cell, shapes that do not fit, or logits that are not finite.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks (ICML).
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    scores = np.asarray(logits, dtype=np.float64)
    if scores.ndim != 2 or len(scores) == 0 or len(scores) != len(truth) or not np.isfinite(scores).all():
        raise HematoVisionError(f"cannot fit a temperature to logits {scores.shape} and {len(truth)} labels")

    def loss(log_temperature: float) -> float:
        logs = log_softmax(scores / np.exp(log_temperature), axis=1)
        return -float(logs[np.arange(len(truth)), truth].mean())

    best = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def bin_edges(confidences: FloatArray, *, bins: int, equal_mass: bool) -> FloatArray:
    """The bins + 1 edges over [0, 1]: equally wide, or (fewer where values tie) with equally many cells in each."""
    if not equal_mass:
        return np.linspace(0.0, 1.0, bins + 1)
    inner = np.quantile(confidences, np.linspace(0.0, 1.0, bins + 1)[1:-1])
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))


def _members(confidences: FloatArray, edges: FloatArray) -> IntArray:
    return np.clip(np.searchsorted(edges, confidences, side="left") - 1, 0, len(edges) - 2)


def reliability_bins(
    probabilities: FloatArray,
    truth: IntArray,
    *,
    bins: int,
    confidence: float,
    share: float = 1.0,
    equal_mass: bool = False,
) -> list[ReliabilityBin]:
    """The reliability curve: accuracy against the highest probability, for the bins that hold a cell.

    Args:
        probabilities: (N, C), rows summing to 1.
        truth: (N,) class indices.
        bins: number of bins over [0, 1].
        confidence: coverage of the intervals of the accuracies.
        share: effective cells per cell, see `intervals.effective_size`.
        equal_mass: equally many cells in a bin instead of equal widths (Nixon et al. 2019).
    """
    confidences, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    edges = bin_edges(confidences, bins=bins, equal_mass=equal_mass)
    member = _members(confidences, edges)
    return [
        ReliabilityBin(
            low=float(edges[b]),
            high=float(edges[b + 1]),
            n=int(inside.sum()),
            confidence=float(confidences[inside].mean()),
            accuracy=proportion(int(correct[inside].sum()), int(inside.sum()), share=share, confidence=confidence),
        )
        for b in range(len(edges) - 1)
        if (inside := member == b).any()
    ]


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean distance of confidence and accuracy over the cells, in [0, 1] (Naeini et al. 2015, Guo et al. 2017)."""
    n = sum(b.n for b in bins)
    return sum(b.n * abs(b.confidence - b.accuracy.value) for b in bins) / n if n else 0.0


def calibration_gaps(probabilities: FloatArray, truth: IntArray, *, bins: int) -> FloatArray:
    """(N, bins) confidence minus being correct, in the (equal-width) bin of each cell and 0 elsewhere.

    The expected calibration error is the sum over bins of the distance of their mean from 0.
    """
    confidences, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    places = np.eye(bins)[_members(confidences, bin_edges(confidences, bins=bins, equal_mass=False))]
    return np.asarray((confidences - correct)[:, None] * places)


def calibration_error_interval(
    probabilities: FloatArray, truth: IntArray, *, bins: int, sampling: Sampling
) -> Interval:
    """The expected calibration error (equal-width bins) with its interval.

    Resampled errors are biased upwards. So the lower limit is reflected (basic bootstrap), and 0 where a calibrated
    model would show such an error by chance (consistency resampling); the upper limit adds one imagined cell that is
    surely wrong, because a model without errors has not shown what its confident errors cost.

    Args:
        probabilities: (N, C), rows summing to 1.
        truth: (N,) class indices.
        bins: number of bins over [0, 1].
        sampling: see `intervals.Sampling`.

    Source: Bröcker & Smith 2007 (Weather and Forecasting 22) for the consistency resampling; Rubin 1981.
    """
    n = len(truth)
    confidences = probabilities.max(axis=1)
    places = np.eye(bins)[_members(confidences, bin_edges(confidences, bins=bins, equal_mass=False))]
    gaps = np.vstack([calibration_gaps(probabilities, truth, bins=bins), np.eye(bins)[-1:]])

    def errors(weights: FloatArray) -> FloatArray:
        real = np.abs((weights[:, :-1] / weights[:, :-1].sum(axis=1, keepdims=True)) @ gaps[:-1]).sum(axis=1)
        return np.stack([real, np.abs(weights @ gaps).sum(axis=1)], axis=1)

    drawn = weighted_draws(errors, n, sampling)
    value = float(np.abs(gaps[:-1].sum(axis=0)).sum() / n)
    reflected = 2 * value - float(np.quantile(drawn[:, 0], 1 - sampling.tail))
    low = 0.0 if value <= _error_by_chance(confidences, places, sampling) else reflected
    return around(value, low, float(np.quantile(drawn[:, 1], 1 - sampling.tail)))


def _error_by_chance(confidences: FloatArray, places: FloatArray, sampling: Sampling) -> float:
    """The calibration error that a calibrated model with these confidences exceeds in one tail of the cases."""
    rng = np.random.default_rng(sampling.seed)
    n = len(confidences)
    luck = [np.abs((confidences - (rng.random(n) < confidences)) @ places).sum() / n for _ in range(sampling.resamples)]
    return float(np.quantile(luck, 1 - sampling.tail)) / float(np.sqrt(sampling.share))
