"""What the runs say: accuracy over all rounds, medians, ratios round by round, and which aims are met."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.learning.entry import Cell
from benchmarks.learning.race import FASTAI, OURS_FROZEN, OURS_QUICK, OURS_TUNED, PLAIN, RECIPE, Run, Terms
from hematovision.config import EvaluationSettings
from hematovision.evaluation.metrics import Evaluation, evaluate


@dataclass(frozen=True)
class Line:
    """One contestant over all rounds; `wall`, `processor` and `learning` are medians in seconds."""

    contestant: str
    rounds: int
    scores: Evaluation
    wall: float
    fastest: float
    slowest: float
    processor: float
    learning: float


@dataclass(frozen=True)
class Aim:
    """What one contestant is to reach beside another: `times` faster at no less accuracy.

    Attributes:
        ratio: median over rounds of the other's wall seconds by its own. processor_ratio: of processor seconds.
        behind: accuracy of the other minus its own.
    """

    who: str
    than: str
    times: float
    ratio: float
    processor_ratio: float
    behind: float

    @property
    def met(self) -> bool:
        """Fast enough, and no less accurate on the same cells."""
        return self.ratio >= self.times and self.behind <= 0


@dataclass(frozen=True)
class Result:
    """All there is to tell; `what` names the data."""

    machine: dict[str, Any]
    terms: Terms
    what: str
    lines: Sequence[Line]
    aims: Sequence[Aim]
    runs: Sequence[Run]


AIMS = (
    (OURS_QUICK, RECIPE, 15.0),
    (OURS_FROZEN, RECIPE, 15.0),
    (OURS_TUNED, FASTAI, 2.0),
    (OURS_TUNED, PLAIN, 2.0),
)


def score(runs: Sequence[Run], tests: Sequence[Sequence[Cell]], settings: EvaluationSettings, seed: int) -> Line:
    """One contestant's line; `tests` are the test cells of each round."""
    labels = runs[0].labels
    cells = [cell for run in runs for cell in tests[run.round]]
    scores = evaluate(
        labels,
        np.array([labels.index(cell.label) for cell in cells]),
        _summing_to_one([row for run in runs for row in run.probabilities]),
        groups=[cell.group for cell in cells],
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=seed,
        ece_bins=settings.ece_bins,
    )
    walls = [run.wall for run in runs]
    return Line(
        runs[0].contestant,
        len(runs),
        scores,
        statistics.median(walls),
        min(walls),
        max(walls),
        statistics.median(run.processor for run in runs),
        statistics.median(run.learning for run in runs),
    )


def _summing_to_one(rows: list[list[float]]) -> np.ndarray:
    found = np.array(rows, dtype=np.float64)
    return found / found.sum(1, keepdims=True)  # bf16 leaves them a little off


def aims(runs: Sequence[Run], lines: Sequence[Line]) -> list[Aim]:
    """The aims whose two contestants both ran."""
    by_name = {line.contestant: line for line in lines}
    found = []
    for who, than, times in AIMS:
        if who in by_name and than in by_name:
            behind = by_name[than].scores.accuracy.value - by_name[who].scores.accuracy.value
            found.append(Aim(who, than, times, *ratios(runs, who, than), behind))
    return found


def ratios(runs: Sequence[Run], who: str, than: str) -> tuple[float, float]:
    """Medians over rounds of another contestant's seconds by one's own: wall, processor."""
    own = {run.round: run for run in runs if run.contestant == who}
    other = {run.round: run for run in runs if run.contestant == than}
    both = own.keys() & other.keys()
    walls = statistics.median(other[number].wall / own[number].wall for number in both)
    return walls, statistics.median(other[number].processor / own[number].processor for number in both)
