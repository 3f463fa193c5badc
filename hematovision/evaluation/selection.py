"""What is gained when a model may pass its doubtful cells on to a person: error against the share it answers."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from hematovision.errors import HematoVisionError
from hematovision.evaluation.intervals import FloatArray, IntArray, Interval, effective_size, proportion

_POINTS = 200  # of a drawn curve; more do not show


class Answered(BaseModel):
    """The surest cells: their share of all, their number, and the error among them."""

    model_config = ConfigDict(frozen=True)

    share: float
    n: int
    error: Interval


class RiskCoverage(BaseModel):
    """The risk-coverage curve of N cells, the surest answered first.

    Attributes:
        aurc: mean error over all shares answered, in [0, 1]; 0 is best.
        aurc_best: the same if every error stood behind every right answer: what this many errors cost at least.
        answered: the error at the shares asked for, all cells first.
        curve: (share, error) points, at most a few hundred.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    aurc: float
    aurc_best: float
    answered: list[Answered]
    curve: list[tuple[float, float]]


def risk_coverage(
    probabilities: FloatArray,
    truth: IntArray,
    *,
    shares: Sequence[float],
    groups: Sequence[str] | None,
    confidence: float,
) -> RiskCoverage:
    """Order cells by their highest probability and give the error of the surest share.

    Cells with the same probability count as half wrong where half of them are wrong, so that no order among them is
    better than another.

    Args:
        probabilities: (N, C), rows summing to 1. truth: (N,) class numbers.
        shares: of the cells, in (0, 1]. groups: N names of the unit cells share, or None.
        confidence: of the intervals.

    Source: Geifman & El-Yaniv 2017, Selective Classification for Deep Neural Networks (NeurIPS); the area follows
    Geifman, Uziel & El-Yaniv 2019 (ICLR).
    """
    if not len(truth) or len(truth) != len(probabilities):
        raise HematoVisionError(f"probabilities {probabilities.shape} do not fit {len(truth)} labels")
    n, wrong = len(truth), (probabilities.argmax(axis=1) != truth).astype(np.float64)
    errors = np.cumsum(_in_order(probabilities.max(axis=1), wrong))
    risk = errors / np.arange(1, n + 1)
    effective = effective_size(wrong, groups, confidence=confidence) / n

    def at(share: float) -> Answered:
        kept = max(1, int(np.floor(share * n + 1e-9)))
        return Answered(
            share=share, n=kept, error=proportion(errors[kept - 1], kept, share=effective, confidence=confidence)
        )

    points = np.unique(np.linspace(0, n - 1, min(n, _POINTS)).astype(int))
    return RiskCoverage(
        n=n,
        aurc=float(risk.mean()),
        aurc_best=float((np.cumsum(np.sort(wrong)) / np.arange(1, n + 1)).mean()),
        answered=[at(share) for share in sorted({1.0, *shares}, reverse=True)],
        curve=[((int(point) + 1) / n, float(risk[point])) for point in points],
    )


def _in_order(sureness: FloatArray, wrong: FloatArray) -> FloatArray:
    """Errors (N,) from the surest cell down; equally sure cells share theirs evenly."""
    order = np.argsort(-sureness, kind="stable")
    _, tied = np.unique(sureness[order], return_inverse=True)
    shared = np.bincount(tied, weights=wrong[order]) / np.bincount(tied)
    return np.asarray(shared[tied])
