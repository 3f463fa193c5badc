"""How much accuracy is left when pictures go wrong, by corruption and severity."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from hematovision.data.settings import Corruption
from hematovision.evaluation.intervals import Interval, Sampling, bounded_mean, effective_size, proportion

Condition = tuple[str, int]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CorruptionScore(_Part):
    """Accuracy on the cells corrupted in one way; `drop` is what it lost against the same cells untouched."""

    corruption: str
    severity: int
    accuracy: Interval
    drop: float


class Robustness(_Part):
    """A model on the same N cells, untouched and corrupted.

    Attributes:
        cells: which cells: `golden set`, `new data`.
        clean: accuracy on the untouched pictures; None where no cell was tested.
        mean_drop: accuracy lost, mean over corruptions and severities, −1 to 1.
        says: what each corruption stands for.
    """

    cells: str
    n: int
    confidence: float
    clean: Interval | None
    mean_drop: Interval | None
    scores: list[CorruptionScore]
    says: dict[str, str]


def untested(cells: str, confidence: float) -> Robustness:
    """Nothing was tested."""
    return Robustness(cells=cells, n=0, confidence=confidence, clean=None, mean_drop=None, scores=[], says={})


def summarise_robustness(
    clean: NDArray[np.bool_],
    corrupted: Mapping[Condition, NDArray[np.bool_]],
    corruptions: Mapping[str, Corruption],
    *,
    cells: str,
    groups: Sequence[str] | None,
    confidence: float,
    resamples: int,
    seed: int,
) -> Robustness:
    """Accuracies by corruption and severity, and the mean corruption drop, with intervals.

    The interval of the mean drop is that of a mean over cells: each cell's own drop, from −1 to 1.

    Args:
        clean: (N,) whether the untouched cell was given the right class.
        corrupted: the same by (name, severity).
        groups: N names of the unit cells share, or None for independent cells.
        confidence, resamples, seed: coverage of the intervals, number of draws, seed of their generator.

    Source: Hendrycks & Dietterich 2019, Benchmarking Neural Network Robustness (ICLR).
    """
    scores = [_score(name, severity, clean, right, groups, confidence) for (name, severity), right in corrupted.items()]
    drops = clean.astype(np.float64) - np.mean(list(corrupted.values()), axis=0)
    share = effective_size(drops, groups, confidence=confidence) / len(drops)
    halved = bounded_mean((drops + 1) / 2, Sampling(share, confidence, resamples, seed))
    return Robustness(
        cells=cells,
        n=len(clean),
        confidence=confidence,
        clean=_accuracy(clean, groups, confidence),
        mean_drop=Interval(**{end: 2 * getattr(halved, end) - 1 for end in ("value", "low", "high")}),
        scores=scores,
        says={name: corruptions[name].says for name in dict.fromkeys(name for name, _ in corrupted)},
    )


def _accuracy(right: NDArray[np.bool_], groups: Sequence[str] | None, confidence: float) -> Interval:
    share = effective_size(right.astype(np.float64), groups, confidence=confidence) / len(right)
    return proportion(int(right.sum()), len(right), share=share, confidence=confidence)


def _score(
    name: str,
    severity: int,
    clean: NDArray[np.bool_],
    right: NDArray[np.bool_],
    groups: Sequence[str] | None,
    confidence: float,
) -> CorruptionScore:
    accuracy = _accuracy(right, groups, confidence)
    return CorruptionScore(
        corruption=name, severity=severity, accuracy=accuracy, drop=float(clean.mean() - right.mean())
    )
