"""What a rehearsal found, as it is printed."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, computed_field

from hematovision.rehearsal.measuring import Standings
from hematovision.rehearsal.story import StepTold


class Corrections(BaseModel):
    """What became of the corrections.

    Attributes:
        given: sent. wrong: of them, where the model had said another class. refused: copies of golden cells.
        quarantined: set aside and decided by the senior. accepted: that became training data, by class in `classes`.
    """

    model_config = ConfigDict(frozen=True)

    given: int
    wrong: int
    refused: int
    quarantined: int
    accepted: int
    classes: Mapping[str, int]


class Watch(BaseModel):
    """One look at site B's traffic by `hematovision monitor`."""

    model_config = ConfigDict(frozen=True)

    n: int
    drift: bool
    state: str | None
    signals: list[str]
    report: str


class Outcome(BaseModel):
    """Everything there is to tell.

    Attributes:
        sources: what the sites were read from. cells: how many each share holds.
        left_out: cells in no share, by reason.
        before, after: accuracy on each site's held-out share, of the champion and of its successor.
        started_by: what started the retrain: `schedule` or `person`. firing: which due time of the schedule.
        requests, dropped_requests: of all clients, from the first answer to the last. slowest_seconds: of an answer.
        versions: that answered, in order.
    """

    model_config = ConfigDict(frozen=True)

    synthetic: bool
    sources: Mapping[str, str]
    cells: Mapping[str, int]
    left_out: Mapping[str, int]
    per_class: int
    before: Standings
    after: Standings
    alarm_raised: bool
    alarm_cleared: bool
    watched: list[Watch]
    corrections: Corrections
    started_by: str
    firing: str
    versions: list[str]
    requests: int
    dropped_requests: int
    dropped: list[str]
    slowest_seconds: float
    steps: list[StepTold]
    folder: str
    seconds: float

    @computed_field  # type: ignore[prop-decorator]
    @property
    def gain(self) -> dict[str, float]:
        """Accuracy after less before, by site."""
        return {
            "site_a": round(self.after.site_a.accuracy.value - self.before.site_a.accuracy.value, 6),
            "site_b": round(self.after.site_b.accuracy.value - self.before.site_b.accuracy.value, 6),
        }

    @computed_field  # type: ignore[prop-decorator]
    @property
    def broken(self) -> list[str]:
        """What the loop promises and did not keep, in words; empty where all of it held."""
        kept = {
            "no alarm was raised": self.alarm_raised,
            f"the retrain was started by a {self.started_by}": self.started_by == "schedule",
            f"{self.dropped_requests} requests got no answer": self.dropped_requests == 0,
            "the alarm did not clear": self.alarm_cleared,
        }
        return [words for words, held in kept.items() if not held]
