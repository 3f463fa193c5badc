"""What a user may set about a search: which settings may move and how far, and how candidates are compared."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hematovision.database import refuse_password

Scalar = bool | int | float | str


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FloatKnob(_Settings):
    """A number between `low` and `high`; `log` spreads it evenly over magnitudes, `step` makes it a grid."""

    kind: Literal["float"]
    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _usable(self) -> "FloatKnob":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("low must lie below high, and above 0 where log is set")
        if self.log and self.step:
            raise ValueError("log and step exclude each other: use `kind: choice` with the values of the grid")
        return self

    @property
    def grid(self) -> Sequence[Scalar] | None:
        """The points of a grid, None where there is no step."""
        if self.step is None:
            return None
        count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return [round(self.low + index * self.step, 12) for index in range(count)]

    @property
    def ends(self) -> Sequence[Scalar]:
        """Values whose validity stands for all."""
        return [self.low, self.high]

    def suggest(self, trial: Any, name: str) -> float:
        """The value an optuna trial has, or is given now."""
        return float(trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step))


class IntKnob(_Settings):
    """A whole number from `low` to `high` in steps."""

    kind: Literal["int"]
    low: int
    high: int
    log: bool = False
    step: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _usable(self) -> "IntKnob":
        if not self.low < self.high or (self.log and self.low < 1):
            raise ValueError("low must lie below high, and at 1 or above where log is set")
        if self.log and self.step != 1:
            raise ValueError("log and step exclude each other: use `kind: choice` with the values of the grid")
        return self

    @property
    def grid(self) -> Sequence[Scalar]:
        """Every value."""
        return range(self.low, self.high + 1, self.step)

    @property
    def ends(self) -> Sequence[Scalar]:
        """Values whose validity stands for all."""
        return [self.low, self.high]

    def suggest(self, trial: Any, name: str) -> int:
        """The value an optuna trial has, or is given now."""
        return int(trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step))


class ChoiceKnob(_Settings):
    """One of the values given."""

    kind: Literal["choice"]
    values: list[Scalar] = Field(min_length=1)

    @property
    def grid(self) -> Sequence[Scalar]:
        """Every value."""
        return self.values

    @property
    def ends(self) -> Sequence[Scalar]:
        """All values: none stands for another."""
        return self.values

    def suggest(self, trial: Any, name: str) -> Scalar:
        """The value an optuna trial has, or is given now."""
        value: Scalar = trial.suggest_categorical(name, self.values)
        return value


Knob = Annotated[FloatKnob | IntKnob | ChoiceKnob, Field(discriminator="kind")]
Space = Mapping[str, FloatKnob | IntKnob | ChoiceKnob]


class PruningSettings(_Settings):
    """When a trial is given up before its last fold.

    Attributes:
        kind: `median` gives up what lies below the median of finished trials on the folds so far; `wilcoxon` what is
            worse than the best trial, fold by fold, in a signed-rank test; `none` never gives up.
        startup_trials: finished trials before anything is given up (median).
        after_folds: folds every trial is granted.
        p_threshold: of the signed-rank test; with two folds p is at least 0.25, with three 0.125, with four 0.0625.
    """

    kind: Literal["median", "wilcoxon", "none"]
    startup_trials: int = Field(ge=1)
    after_folds: int = Field(ge=1)
    p_threshold: float = Field(gt=0, lt=1)


class SearchSettings(_Settings):
    """One search.

    Attributes:
        study: its name; the same name goes on where a search was left.
        storage: a database URL as SQLAlchemy takes it, or `$NAME` of an environment variable holding one; None is
            sqlite in the home.
        trials: finished ones the study is to have in the end, those of earlier sittings included.
        at_once: trials asked in one round, which know nothing of each other; part of what fixes their sequence.
        startup_trials: random ones before the sampler learns from results.
        objective: mean over the inner folds; ties go to the other figure, then to the earlier trial.
        folds: inner folds, dealt from the development cells alone.
        space: dotted settings below `learning` that may move.
    """

    study: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    storage: str | None
    method: Literal["bayesian", "grid"]
    trials: int = Field(ge=1)
    at_once: int = Field(ge=1)
    startup_trials: int = Field(ge=1)
    objective: Literal["macro_f1", "log_loss"]
    folds: int = Field(ge=2)
    pruning: PruningSettings
    space: dict[str, Knob]

    _storage_is_no_secret = field_validator("storage")(refuse_password)
