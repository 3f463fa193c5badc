"""What makes feedback suspicious: pure arithmetic over labels, probabilities, strangeness and counts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hematovision.errors import UsageError

_TO_SIGMA = 1.4826  # of a median absolute deviation, for a normal distribution


@dataclass(frozen=True)
class LabelIssues:
    """What confident learning finds in N labelled cells.

    Attributes:
        suspect: N, True where the label is probably wrong. likely: N, the class that a suspect cell more likely is, as
            a position among the C classes (elsewhere the given one). margin: N, probability of the given class less the
            largest other, −1 to 1: the lower, the more suspect. joint: C×C counts, given (rows) by confident class.
    """

    suspect: NDArray[np.bool_]
    likely: NDArray[np.int64]
    margin: NDArray[np.float64]
    joint: NDArray[np.int64]


def self_confidence(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """C thresholds: the mean probability of class j over the cells labelled j; NaN where there is no such cell.

    Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70 (2021), eq. 2.
    """
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=probabilities[np.arange(len(labels)), labels], minlength=classes)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def confident_learning(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], thresholds: NDArray[np.float64] | None = None
) -> LabelIssues:
    """Cells whose label is contradicted by a confident model (Northcutt et al. 2021, the confident joint, eq. 1).

    Args:
        labels: N given classes as positions among C. probabilities: N×C, out of sample: of a model that has not learnt
            these labels. thresholds: C, see `self_confidence`, which is what they are when not given.

    Raises:
        UsageError: shapes disagree.
    """
    if probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise UsageError(f"{len(labels)} labels do not fit probabilities of shape {probabilities.shape}.")
    limits = self_confidence(labels, probabilities) if thresholds is None else thresholds
    confident = probabilities >= np.where(np.isnan(limits), np.inf, limits)
    likely = np.where(confident, probabilities, -1.0).argmax(axis=1)
    likely = np.where(confident.any(axis=1), likely, labels)
    joint = np.zeros((probabilities.shape[1],) * 2, np.int64)
    counted = confident.any(axis=1)
    np.add.at(joint, (labels[counted], likely[counted]), 1)
    return LabelIssues(likely != labels, likely.astype(np.int64), _margins(labels, probabilities), joint)


def _margins(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = np.arange(len(labels))
    others = probabilities.astype(np.float64)
    given = others[rows, labels].copy()
    others[rows, labels] = -np.inf
    return np.asarray(given - others.max(axis=1, initial=0.0))


def contradicted(label: str, probabilities: Mapping[str, float], thresholds: Mapping[str, float]) -> str | None:
    """The class a confident model holds against `label` (confident learning for one cell), or None."""
    confident = {name: p for name, p in probabilities.items() if p >= thresholds.get(name, np.inf)}
    likely = max(confident, key=lambda name: confident[name], default=label)
    return None if likely == label else likely


def outlying(value: float, ordinary: Sequence[float], deviations: float) -> bool:
    """Whether a strangeness lies `deviations` robust standard deviations above the median of the ordinary ones.

    In logarithms, as strangeness is a ratio of distances; the deviation is the median absolute one.
    """
    logs = np.log(np.maximum(np.asarray(ordinary, np.float64), 1e-6))
    median = float(np.median(logs))
    spread = max(_TO_SIGMA * float(np.median(np.abs(logs - median))), 0.05)
    return bool(np.log(max(value, 1e-6)) > median + deviations * spread)


def flooded(moves: Sequence[str | None], *, minimum: int, share: float) -> str | None:
    """The class that one source floods, or None.

    Args:
        moves: of the source's latest corrections, the class each moved a cell into, None where it only confirmed.
    """
    counts = Counter(label for label in moves if label is not None)
    label, number = counts.most_common(1)[0] if counts else ("", 0)
    return label if number >= minimum and number >= share * len(moves) else None
