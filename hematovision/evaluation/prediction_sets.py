"""Prediction sets: the classes that cannot be excluded for a cell, at a confidence that holds for every class."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hematovision.errors import HematoVisionError
from hematovision.evaluation.intervals import FloatArray, IntArray

Membership = NDArray[np.bool_]


class SetRule(BaseModel):
    """When a class belongs to the prediction set of a cell.

    A class is in the set when one minus its probability does not exceed its limit, and always when it is the most
    probable one: a set is never empty. Completing empty sets this way can only raise the coverage (Sadinle, Lei &
    Wasserman 2019, section 4.2); where the network is right more often than the confidence asks, coverage is above it.

    Attributes:
        confidence: the share of cells of each class whose set shall hold the true class.
        limits: by class, in [0, 1]; None where the calibration cells were too few to exclude the class from any set.
        cells: calibration cells by class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: float = Field(gt=0, lt=1)
    limits: list[float | None] = Field(min_length=2)
    cells: list[int] = Field(min_length=2)

    @property
    def always(self) -> list[int]:
        """Numbers of the classes that are in every set, for want of calibration cells."""
        return [number for number, limit in enumerate(self.limits) if limit is None]

    def uncompleted(self, probabilities: FloatArray) -> Membership:
        """Sets (N, C) before empty ones are completed, of probabilities (N, C)."""
        limits = np.array([np.inf if limit is None else limit for limit in self.limits])
        if probabilities.ndim != 2 or probabilities.shape[1] != len(limits):
            raise HematoVisionError(f"probabilities {probabilities.shape} do not fit a rule for {len(limits)} classes")
        return np.asarray(1 - probabilities <= limits)

    def sets(self, probabilities: FloatArray) -> Membership:
        """Sets (N, C) of probabilities (N, C): True where a class cannot be excluded."""
        highest = probabilities == probabilities.max(axis=1, keepdims=True)
        return np.asarray(self.uncompleted(probabilities) | highest)


def rank_of(cells: int, confidence: float) -> int:
    """⌈(n + 1) · confidence⌉, in exact arithmetic: 0.95 means 19/20, not the nearest binary fraction."""
    share = Fraction(str(confidence))
    return -((-(cells + 1) * share.numerator) // share.denominator)


def fit_sets(probabilities: FloatArray, truth: IntArray, *, confidence: float) -> SetRule:
    """Class-conditional (Mondrian) split-conformal prediction sets with the least ambiguous score.

    The limit of a class is the ⌈(n + 1) · confidence⌉-th smallest of one minus the true class's probability over its n
    calibration cells; where there is no such cell the class has no limit and is in every set. A new cell of each class
    is then covered with at least this probability, if it and the calibration cells are exchangeable. The score gives
    the smallest sets on average; on real cells they were smaller than those of APS and RAPS (docs/trust.md).

    The final model's calibration cells are the development cells with their out-of-fold probabilities, by networks
    that never saw them. This assumes that the final network, trained on all of them, is no worse than the fold
    networks, which learnt from fewer cells. It is usually a little better: its sets are then larger than they need be.

    Args:
        probabilities: (N, C) of cells the network was not trained on.
        truth: (N,) class numbers.
        confidence: 1 - α, such as 0.95.

    Raises:
        HematoVisionError: shapes that do not fit, or values that are not finite.

    Source: Sadinle, Lei & Wasserman 2019, Least Ambiguous Set-Valued Classifiers (JASA 114); Vovk, Gammerman & Shafer
    2005, Algorithmic Learning in a Random World (Mondrian).
    """
    chances = np.asarray(probabilities, dtype=np.float64)
    if chances.ndim != 2 or len(chances) != len(truth) or not np.isfinite(chances).all():
        raise HematoVisionError(f"cannot fit prediction sets to probabilities {chances.shape}, {len(truth)} labels")
    scores = [1 - chances[truth == number, number] for number in range(chances.shape[1])]
    return SetRule(
        confidence=confidence,
        limits=[_limit(np.sort(found), confidence) for found in scores],
        cells=[len(found) for found in scores],
    )


def _limit(ascending: FloatArray, confidence: float) -> float | None:
    rank = rank_of(len(ascending), confidence)
    return float(ascending[rank - 1]) if rank <= len(ascending) else None


def named(sets: Membership, probabilities: FloatArray, classes: Sequence[str]) -> list[list[str]]:
    """The classes of each set by name, the most probable first."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return [[classes[index] for index in ranked if row[index]] for row, ranked in zip(sets, order, strict=True)]
