"""Two models on the same cells: paired differences, each with an interval, and McNemar's test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from hematovision.errors import HematoVisionError
from hematovision.evaluation.calibration import calibration_gaps
from hematovision.evaluation.intervals import (
    FloatArray,
    IntArray,
    Interval,
    Sampling,
    effective_size,
    weight_blocks,
)
from hematovision.evaluation.prediction_sets import Membership


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Difference(_Record):
    """A figure of both models and `difference`, challenger minus champion, with its limits."""

    challenger: float
    champion: float
    difference: Interval


class McNemar(_Record):
    """Cells that only one of the models got right, and the exact two-sided p of such a split by chance."""

    only_champion: int
    only_challenger: int
    p_value: float


class Latency(_Record):
    """Median milliseconds for one picture by either model, timed in turns on one machine, and their ratio."""

    challenger_ms: float
    champion_ms: float
    ratio: Interval
    rounds: int


class Comparison(_Record):
    """Challenger against champion on the same N cells.

    Attributes:
        effective_n: independent cells the N are worth for a difference, see `intervals.effective_size`.
        recalls: by class, for classes with a cell in the truth; `cells` counts them.
        ece, set_size: less is better; of the other figures more is.
        latency: None where it was not measured.
    """

    n: int
    groups: int | None
    effective_n: float
    confidence: float
    cells: dict[str, int]
    accuracy: Difference
    macro_f1: Difference
    recalls: dict[str, Difference]
    ece: Difference
    set_coverage: Difference
    set_size: Difference
    mcnemar: McNemar
    latency: Latency | None = None


@dataclass(frozen=True)
class Answered:
    """What a model said of N cells: probabilities (N, C), rows summing to 1, and prediction sets (N, C)."""

    probabilities: FloatArray
    sets: Membership

    @property
    def predicted(self) -> IntArray:
        """(N,) numbers of the most probable classes."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)


def compare(
    classes: Sequence[str],
    truth: IntArray,
    challenger: Answered,
    champion: Answered,
    *,
    groups: Sequence[str] | None,
    confidence: float,
    resamples: int,
    seed: int,
    ece_bins: int,
) -> Comparison:
    """Paired differences of two models' answers to the same cells.

    All intervals come from one paired Bayesian bootstrap: a draw weighs the cells, and both models are scored under
    the same weights, so that what they have in common cancels. Cells of a group count less, see
    `intervals.effective_size`. At the lower limit one cell is imagined that only the champion gets right, at the upper
    one that only the challenger does (for macro-F1 an equal part of it in each class): two models that agree on every
    cell seen may differ on the next. Without it, the interval of two such models would be the point 0, however few the
    cells. With 0 of n cells told apart the limits of an accuracy are ± (1 - tail^(1/n)), those of Clopper-Pearson.

    Args:
        classes: C names in the order of the columns. truth: (N,) class numbers.
        groups: N names of the unit cells share (slide, photograph, patient), or None for independent cells.
        confidence, resamples, seed, ece_bins: as in `metrics.evaluate`.

    Raises:
        HematoVisionError: no cell, or shapes that do not fit.

    Source: Rubin 1981 (Annals of Statistics 9), the Bayesian bootstrap; Gaffke 2005, the imagined cell; Efron &
    Tibshirani 1993, An Introduction to the Bootstrap, chapter 8, on resampling pairs; McNemar 1947 (Psychometrika 12),
    recommended for two classifiers by Dietterich 1998 (Neural Computation 10).
    """
    _check(classes, truth, challenger, champion, groups)
    n, sides = len(truth), (challenger, champion)
    correct = [(side.predicted == truth).astype(np.float64) for side in sides]
    covered = [side.sets[np.arange(n), truth].astype(np.float64) for side in sides]
    sizes = [(side.sets.sum(axis=1) - 1) / (len(classes) - 1) for side in sides]
    effective = min(effective_size(a - b, groups, confidence=confidence) for a, b in (correct, covered))
    sampling = Sampling(share=effective / n, confidence=confidence, resamples=resamples, seed=seed)
    present = np.unique(truth)
    means = _Means.of([correct, covered, sizes], correct, truth, present)
    tallies = [_tally(truth, side.predicted, present) for side in sides]
    gaps = [calibration_gaps(side.probabilities, truth, bins=ece_bins) for side in sides]
    found = _differences(means, tallies, gaps, sampling)
    return Comparison(
        n=n,
        groups=None if groups is None else len(set(groups)),
        effective_n=effective,
        confidence=confidence,
        cells={classes[number]: int((truth == number).sum()) for number in present},
        accuracy=found[0],
        set_coverage=found[1],
        set_size=_in_classes(found[2], len(classes)),
        recalls={classes[number]: found[3 + place] for place, number in enumerate(present)},
        macro_f1=found[-2],
        ece=found[-1],
        mcnemar=mcnemar(correct[0] > 0, correct[1] > 0),
    )


def mcnemar(challenger_right: Membership, champion_right: Membership) -> McNemar:
    """McNemar's exact test of two models that got (N,) cells right or wrong, the cells taken as independent.

    Source: McNemar 1947; the exact form is the binomial test of the cells on which the models differ.
    """
    from statsmodels.stats.contingency_tables import mcnemar as test

    table = [
        [int((part & other).sum()) for other in (champion_right, ~champion_right)]
        for part in (challenger_right, ~challenger_right)
    ]
    return McNemar(
        only_champion=table[1][0],
        only_challenger=table[0][1],
        p_value=min(1.0, float(test(table, exact=True).pvalue)),
    )


def compare_latency(
    challenger: FloatArray, champion: FloatArray, *, confidence: float, resamples: int, seed: int
) -> Latency:
    """The ratio of median latencies, challenger over champion, with a bootstrap interval over the rounds.

    Args:
        challenger, champion: (R,) seconds > 0 of the same rounds, the models timed one after the other in each.

    Raises:
        HematoVisionError: no round, or rounds that do not fit.
    """
    if challenger.shape != champion.shape or challenger.ndim != 1 or not len(challenger):
        raise HematoVisionError(f"latencies {challenger.shape} and {champion.shape} are not of the same rounds")
    drawn = np.random.default_rng(seed).integers(0, len(challenger), (resamples, len(challenger)))
    ratios = np.median(challenger[drawn], axis=1) / np.median(champion[drawn], axis=1)
    medians = [float(np.median(side)) for side in (challenger, champion)]
    tail = (1 - confidence) / 2
    return Latency(
        challenger_ms=1000 * medians[0],
        champion_ms=1000 * medians[1],
        ratio=_ordered(medians[0] / medians[1], np.quantile(ratios, tail), np.quantile(ratios, 1 - tail)),
        rounds=len(challenger),
    )


def _check(
    classes: Sequence[str], truth: IntArray, challenger: Answered, champion: Answered, groups: Sequence[str] | None
) -> None:
    shape = (len(truth), len(classes))
    shapes = {side.probabilities.shape for side in (challenger, champion)}
    shapes |= {side.sets.shape for side in (challenger, champion)}
    if not len(truth) or len(classes) < 2 or shapes != {shape}:
        raise HematoVisionError(f"cannot compare answers of shapes {sorted(shapes)} on {shape[0]} cells")
    if groups is not None and len(groups) != len(truth):
        raise HematoVisionError(f"{len(groups)} groups do not fit {len(truth)} labels")


@dataclass(frozen=True)
class _Means:
    """Figures that are means over cells: (N, K) values of both models, and (N, K) which cells count for which."""

    challenger: FloatArray
    champion: FloatArray
    counts: FloatArray

    @classmethod
    def of(
        cls, pairs: Sequence[Sequence[FloatArray]], correct: Sequence[FloatArray], truth: IntArray, present: IntArray
    ) -> "_Means":
        """The pairs over all cells, and being correct over the cells of each class present."""
        of_class = (truth[:, None] == present).astype(np.float64)
        challenger, champion = (
            np.hstack([np.stack([pair[side] for pair in pairs], axis=1), correct[side][:, None] * of_class])
            for side in (0, 1)
        )
        return cls(challenger, champion, np.hstack([np.ones((len(truth), len(pairs))), of_class]))

    @property
    def count(self) -> int:
        return int(self.counts.shape[1])

    def values(self) -> list[tuple[float, float]]:
        """The figure of challenger and champion, K pairs."""
        total = self.counts.sum(axis=0)
        sides = [(part.sum(axis=0) / total).tolist() for part in (self.challenger, self.champion)]
        return list(zip(*sides, strict=True))

    def under(self, weights: FloatArray, unseen: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(B, K) differences with an unseen cell against the challenger, and with one for it."""
        drawn, total = weights @ (self.challenger - self.champion), weights @ self.counts + unseen
        return (drawn - unseen) / total, (drawn + unseen) / total


Tally = Mapping[str, FloatArray]


def _tally(truth: IntArray, predicted: IntArray, present: IntArray) -> Tally:
    """(N, P) for the classes present: cells of it, cells called it, and both."""
    true, called = (np.asarray(part[:, None] == present, dtype=np.float64) for part in (truth, predicted))
    return {"true": true, "called": called, "hits": true * called}


def _macro_f1(challenger: Tally, champion: Tally) -> tuple[float, float]:
    ones = np.ones((1, len(challenger["true"])))
    nothing = np.zeros((1, challenger["true"].shape[1]))
    return tuple(float(_f1_under(side, ones, nothing, right=True)[0]) for side in (challenger, champion))  # type: ignore[return-value]


def _f1_under(tally: Tally, weights: FloatArray, unseen: FloatArray, *, right: bool) -> FloatArray:
    """(B,) macro-F1 under weights (B, N), with (B, P) unseen cells of each class that the model gets right or not."""
    true, called, hits = (weights @ tally[name] for name in ("true", "called", "hits"))
    elsewhere = (unseen.sum(axis=1, keepdims=True) - unseen) / max(unseen.shape[1] - 1, 1)
    scores = 2 * (hits + right * unseen) / (true + unseen + called + (unseen if right else elsewhere))
    return np.asarray(scores.mean(axis=1))


def _ece(challenger: FloatArray, champion: FloatArray) -> tuple[float, float]:
    return tuple(float(np.abs(side.mean(axis=0)).sum()) for side in (challenger, champion))  # type: ignore[return-value]


def _ece_under(gaps: FloatArray, weights: FloatArray, unseen: FloatArray) -> FloatArray:
    """(B,) calibration error under weights, with (B,) unseen cells that the model is sure of and gets wrong."""
    drawn = weights @ gaps
    drawn[:, -1] += unseen
    return np.asarray(np.abs(drawn).sum(axis=1))


def _limits(
    means: _Means, tallies: Sequence[Tally], gaps: Sequence[FloatArray], sampling: Sampling
) -> tuple[FloatArray, FloatArray]:
    """(K + 2,) lower and upper limits of the differences of the means, of macro-F1 and of the calibration error."""
    rng = np.random.default_rng([sampling.seed, 1])
    lower, upper = [], []
    for weights in weight_blocks(np.full(len(means.counts), sampling.share), sampling):
        block, classes = len(weights), tallies[0]["true"].shape[1]
        against, favour = means.under(weights, rng.standard_gamma(1.0, (block, means.count)))
        unseen = rng.standard_gamma(1 / classes, (block, classes))
        f1 = {right: [_f1_under(side, weights, unseen, right=right) for side in tallies] for right in (True, False)}
        one, nothing = rng.standard_gamma(1.0, block), np.zeros(block)
        total = weights.sum(axis=1) + one
        wrong, right = ([_ece_under(side, weights, extra) / total for side in gaps] for extra in (one, nothing))
        lower.append(np.column_stack([against, f1[False][0] - f1[True][1], right[0] - wrong[1]]))
        upper.append(np.column_stack([favour, f1[True][0] - f1[False][1], wrong[0] - right[1]]))
    return (
        np.quantile(np.concatenate(lower), sampling.tail, axis=0),
        np.quantile(np.concatenate(upper), 1 - sampling.tail, axis=0),
    )


def _differences(
    means: _Means, tallies: Sequence[Tally], gaps: Sequence[FloatArray], sampling: Sampling
) -> list[Difference]:
    """Those of the K means, then of macro-F1 and of the calibration error."""
    low, high = _limits(means, tallies, gaps, sampling)
    return [
        *_between(means.values(), low, high),
        *_between([_macro_f1(*tallies), _ece(*gaps)], low[means.count :], high[means.count :]),
    ]


def _in_classes(share: Difference, classes: int) -> Difference:
    """Sizes of prediction sets in classes, from shares of the classes beyond the first."""
    sizes = {part: 1 + (classes - 1) * getattr(share, part) for part in ("challenger", "champion")}
    widened = {part: (classes - 1) * getattr(share.difference, part) for part in ("value", "low", "high")}
    return Difference(**sizes, difference=Interval(**widened))


def _between(values: Sequence[tuple[float, float]], low: FloatArray, high: FloatArray) -> list[Difference]:
    return [
        Difference(
            challenger=challenger,
            champion=champion,
            difference=_ordered(challenger - champion, low[place], high[place]),
        )
        for place, (challenger, champion) in enumerate(values)
    ]


def _ordered(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value))
