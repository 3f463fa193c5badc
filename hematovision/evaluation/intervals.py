"""Confidence intervals that stay honest when a model makes no error and when cells come in groups."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Statistic = Callable[[FloatArray], FloatArray]

_CHUNK_CELLS = 2_000_000  # bounds the memory of one block of resampling weights to 16 MB


class Interval(BaseModel):
    """A value with its confidence limits, ``low <= value <= high``; serialises as ``{"value", "low", "high"}``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"an interval needs low <= value <= high, got {self.low}, {self.value}, {self.high}")
        return self


@dataclass(frozen=True)
class Sampling:
    """How an interval is drawn.

    Attributes:
        share: effective cells per cell in (0, 1], see `effective_size`; 1 for independent cells.
        confidence: coverage, such as 0.95.
        resamples: number of random draws.
        seed: seed of their generator.
    """

    share: float
    confidence: float
    resamples: int
    seed: int

    @property
    def tail(self) -> float:
        """The probability left out on either side."""
        return (1 - self.confidence) / 2


def around(value: float, low: float, high: float) -> Interval:
    """An interval inside [0, 1] that contains its value, whatever rounding or resampling did to the limits."""
    value = min(max(float(value), 0.0), 1.0)
    return Interval(value=value, low=max(0.0, min(float(low), value)), high=min(1.0, max(float(high), value)))


def proportion(successes: float, n: float, *, share: float, confidence: float) -> Interval:
    """Clopper-Pearson interval of a proportion, on the effective number of cells.

    Args:
        successes: number of cells that have the property, 0..n.
        n: number of cells; 0 gives the interval [0, 1].
        share: effective cells per cell in (0, 1], see `effective_size`; 1 for independent cells.
        confidence: coverage, such as 0.95.

    Source: Clopper & Pearson 1934; with an effective size, Korn & Graubard 1998 (Survey Methodology 24).
    """
    from scipy.special import betaincinv

    if n <= 0:
        return Interval(value=0.0, low=0.0, high=1.0)
    tail = (1 - confidence) / 2
    hits, misses = successes * share, (n - successes) * share
    low = betaincinv(hits, misses + 1, tail) if hits > 0 else 0.0
    high = betaincinv(hits + 1, misses, 1 - tail) if misses > 0 else 1.0
    return around(successes / n, low, high)


def effective_size(scores: FloatArray, groups: Sequence[str] | None, *, confidence: float) -> float:
    """How many independent cells the N grouped cells are worth, in [1, N].

    N divided by the design effect (the cluster-robust variance of the mean over its variance under independence), and
    corrected by Student's t for a small number of groups. Scores without any spread leave only that correction.

    Args:
        scores: (N,) a number per cell, such as correct (0/1) or the Brier score.
        groups: N names of the unit that cells share (slide, photograph, patient); None for independent cells.
        confidence: coverage of the interval the size is for.

    Source: Korn & Graubard 1998, Survey Methodology 24.
    """
    from scipy.stats import t

    n = len(scores)
    if groups is None or n < 2:
        return float(n)
    _, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    count = int(member.max()) + 1
    if count == n:
        return float(n)
    if count == 1:
        return 1.0
    deviation = scores - scores.mean()
    totals = np.bincount(member, weights=deviation)
    clustered = count / (count - 1) * float((totals**2).sum())
    independent = n / (n - 1) * float((deviation**2).sum())
    effect = max(1.0, clustered / independent) if independent > 1e-12 else 1.0
    level = 1 - (1 - confidence) / 2
    few_groups = float(t.ppf(level, n - 1) / t.ppf(level, count - 1)) ** 2
    return max(1.0, n / effect * few_groups)


def confusion_limits(confusion: IntArray, statistic: Statistic, sampling: Sampling) -> tuple[FloatArray, FloatArray]:
    """Lower and upper limits of scores of a confusion matrix, from gamma draws of its cells.

    The cells of the matrix follow a Dirichlet distribution with the (effective) counts as parameters. For the lower
    limit each class present is given half an unseen error more, for the upper limit half an unseen hit more. So the
    limits never collapse onto the value, and no prior pulls them off it: with a symmetric prior on every cell the
    95 % interval of a good eight-class model holds the truth in under 10 % of simulations (benchmarks/intervals.py).

    Args:
        confusion: (C, C) counts, rows the truth.
        statistic: maps (..., C, C) matrices of any scale to K scores, shape (..., K).
        sampling: see `Sampling`.

    Source: Goutte & Gaussier 2005 (ECIR), Caelen 2017 (AMAI 81); the one-sided half counts follow Jeffreys.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    size = len(counts)
    present = counts.sum(axis=1, keepdims=True) > 0
    hit = np.eye(size) * present
    miss = (1 - np.eye(size)) * present / max(size - 1, 1)
    rng = np.random.default_rng(sampling.seed)
    shape = (sampling.resamples, size, size)
    low = statistic(rng.standard_gamma(counts * sampling.share + miss / 2, size=shape))
    high = statistic(rng.standard_gamma(counts * sampling.share + hit / 2, size=shape))
    return np.quantile(low, sampling.tail, axis=0), np.quantile(high, 1 - sampling.tail, axis=0)


def weighted_draws(statistic: Statistic, n: int, sampling: Sampling) -> FloatArray:
    """Bayesian bootstrap of N cells and one imagined cell behind them: the statistic under random weights.

    The cells have gamma weights of shape `sampling.share`, the imagined one weighs as much as an independent cell.

    Args:
        statistic: maps weights (R, n + 1), rows summing to 1, to scores (R, ...).
        n: number of cells.
        sampling: see `Sampling`.

    Source: Rubin 1981, Annals of Statistics 9.
    """
    blocks = weight_blocks(np.append(np.full(n, sampling.share), 1.0), sampling)
    return np.concatenate([statistic(weights / weights.sum(axis=1, keepdims=True)) for weights in blocks])


def weight_blocks(shapes: FloatArray, sampling: Sampling) -> Iterator[FloatArray]:
    """Gamma weights (B, N) of N cells by their shapes (N,), in blocks that add up to all draws."""
    rng = np.random.default_rng(sampling.seed)
    block = max(1, _CHUNK_CELLS // len(shapes))
    for start in range(0, sampling.resamples, block):
        yield rng.standard_gamma(shapes, size=(min(block, sampling.resamples - start), len(shapes)))


def bounded_mean(scores: FloatArray, sampling: Sampling) -> Interval:
    """Interval of the mean of (N,) scores in [0, 1], with one imagined cell at 1 (upper) or at 0 (lower limit).

    For scores of only 0 and 1 it is the Clopper-Pearson interval; for others it needs no normal approximation.

    Source: Gaffke 2005; Learned-Miller & Thomas 2019 (arXiv:1905.06208).
    """
    drawn = weighted_draws(lambda w: np.stack([w[:, :-1] @ scores, w[:, -1]], axis=1), len(scores), sampling)
    low = np.quantile(drawn[:, 0], sampling.tail)
    high = np.quantile(drawn.sum(axis=1), 1 - sampling.tail)
    return around(float(scores.mean()), float(low), float(high))


def auroc_interval(value: float, positives: float, negatives: float, *, confidence: float) -> Interval:
    """Score interval of an area under the ROC curve; not degenerate at 1.

    The mean of several classes' limits is a conservative interval of their mean area.

    Args:
        value: the area, 0..1.
        positives, negatives: (effective) numbers of cells on the two sides, > 0.
        confidence: coverage.

    Source: Newcombe 2006, Statistics in Medicine 25:559 (method 5, score form of Hanley & McNeil 1982).
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    z = float(norm.ppf(1 - (1 - confidence) / 2))
    balance = max((positives + negatives) / 2 - 1, 0.0)
    inner = min(max(value, 1e-9), 1 - 1e-9)

    def gap(area: float) -> float:
        spread = 1 + balance * ((1 - area) / (2 - area) + area / (1 + area))
        return (area - inner) ** 2 - z**2 * area * (1 - area) * spread / (positives * negatives)

    return around(value, float(brentq(gap, 0.0, inner)), float(brentq(gap, inner, 1.0)))
