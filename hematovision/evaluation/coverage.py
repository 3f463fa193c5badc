"""What prediction sets achieve on labelled cells: how often they hold the truth, and how small they are."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from hematovision.errors import HematoVisionError
from hematovision.evaluation.intervals import (
    FloatArray,
    IntArray,
    Interval,
    Sampling,
    bounded_mean,
    effective_size,
    proportion,
)
from hematovision.evaluation.prediction_sets import Membership


class ClassCoverage(BaseModel):
    """Sets of the cells of one class; the figures are None where there is no such cell."""

    model_config = ConfigDict(frozen=True)

    n: int
    coverage: Interval | None
    mean_size: Interval | None


class SetCoverage(BaseModel):
    """Prediction sets of N labelled cells.

    Attributes:
        asked: the confidence the sets were made for.
        coverage: share of cells whose set holds the true class, with its interval.
        coverage_uncompleted: the same where empty sets had been left empty.
        mean_size: classes in a set on average, 1 at best.
        sizes: cells by number of classes in their set, from one class to all of them.
        always: classes that were in every set, for want of calibration cells.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    asked: float
    coverage: Interval
    coverage_uncompleted: float
    mean_size: Interval
    sizes: list[int]
    per_class: dict[str, ClassCoverage]
    always: list[str]

    @property
    def single(self) -> int:
        """Cells whose set is a single class."""
        return self.sizes[0]


def score_sets(
    classes: Sequence[str],
    truth: IntArray,
    sets: Membership,
    uncompleted: Membership,
    *,
    asked: float,
    always: Sequence[int],
    groups: Sequence[str] | None,
    confidence: float,
    resamples: int,
    seed: int,
) -> SetCoverage:
    """Coverage and size of sets (N, C) against the truth (N,).

    Args:
        uncompleted: (N, C) the sets before empty ones were completed.
        asked: the confidence the sets were made for; `confidence` is that of the intervals.
        groups: N names of the unit cells share, or None for independent cells.

    Raises:
        HematoVisionError: no cell, shapes that do not fit, or an empty set.
    """
    if sets.shape != (len(truth), len(classes)) or not len(truth) or not sets.any(axis=1).all():
        raise HematoVisionError(f"sets {sets.shape} do not fit {len(truth)} labels of {len(classes)} classes")
    rows = np.arange(len(truth))
    covered, size = sets[rows, truth], sets.sum(axis=1)
    share = min(effective_size(found.astype(float), groups, confidence=confidence) for found in (covered, size))
    sampling = Sampling(share=share / len(truth), confidence=confidence, resamples=resamples, seed=seed)
    return SetCoverage(
        n=len(truth),
        asked=asked,
        coverage=_covered(covered, sampling),
        coverage_uncompleted=float(uncompleted[rows, truth].mean()),
        mean_size=_mean_size(size, len(classes), sampling),
        sizes=np.bincount(size, minlength=len(classes) + 1)[1:].tolist(),
        per_class={
            name: _of_class(covered[truth == number], size[truth == number], len(classes), sampling)
            for number, name in enumerate(classes)
        },
        always=[classes[number] for number in always],
    )


def _of_class(covered: Membership, size: IntArray, classes: int, sampling: Sampling) -> ClassCoverage:
    if not len(covered):
        return ClassCoverage(n=0, coverage=None, mean_size=None)
    return ClassCoverage(
        n=len(covered), coverage=_covered(covered, sampling), mean_size=_mean_size(size, classes, sampling)
    )


def _covered(covered: Membership, sampling: Sampling) -> Interval:
    return proportion(float(covered.sum()), len(covered), share=sampling.share, confidence=sampling.confidence)


def _mean_size(size: IntArray, classes: int, sampling: Sampling) -> Interval:
    """The mean number of classes in a set, its interval drawn on the share of the other classes that are in it."""
    others: FloatArray = (size - 1) / (classes - 1)
    drawn = bounded_mean(others, sampling)
    value, low, high = (1 + (classes - 1) * part for part in (drawn.value, drawn.low, drawn.high))
    return Interval(value=value, low=low, high=high)
