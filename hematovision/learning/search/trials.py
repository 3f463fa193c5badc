"""What flows between the study and those who score its trials."""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from hematovision.evaluation.intervals import Interval
from hematovision.learning.search.settings import Scalar

Objective = Literal["macro_f1", "log_loss"]
OTHER: dict[Objective, Objective] = {"macro_f1": "log_loss", "log_loss": "macro_f1"}
"""What breaks a tie."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class FoldScore(_Record):
    """How a network did on the inner fold it was trained without; log loss in nats, at temperature 1."""

    fold: int
    macro_f1: float
    log_loss: float
    epochs: int


class TrialRequest(_Record):
    """A trial to be scored.

    Attributes:
        number: in the study. parameters: dotted settings and their values.
        peers: fold by fold, the objective of every trial complete when this one was asked: what pruning compares with.
    """

    number: int
    parameters: dict[str, Scalar]
    peers: list[list[float]]


class TrialOutcome(_Record):
    """A scored trial; `pruned` has fewer folds than the search, `failed` a reason."""

    number: int
    state: Literal["complete", "pruned", "failed"]
    folds: list[FoldScore]
    seconds: float
    reason: str = ""


def mean_score(folds: list[FoldScore], objective: Objective) -> float:
    """Mean over folds."""
    return float(np.mean([getattr(fold, objective) for fold in folds]))


def score_interval(folds: list[FoldScore], objective: Objective, *, confidence: float) -> Interval:
    """The mean over k folds with a t interval whose variance is corrected for overlapping training sets.

    Nadeau & Bengio 2003, Machine Learning 52. It says how far the folds scatter, not how much choosing the best of
    many flatters its score.
    """
    from scipy.stats import t

    values = [getattr(fold, objective) for fold in folds]
    k = len(values)
    deviation = np.sqrt((1 / k + 1 / (k - 1)) * np.var(values, ddof=1))
    reach = float(t.ppf(1 - (1 - confidence) / 2, k - 1) * deviation)
    mean = float(np.mean(values))
    highest = 1.0 if objective == "macro_f1" else float("inf")
    return Interval(value=mean, low=max(0.0, mean - reach), high=min(highest, mean + reach))
