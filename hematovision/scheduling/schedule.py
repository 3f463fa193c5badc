"""What a schedule is: a command, when it is due, and what must hold for it to run."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hematovision.scheduling.timing import Cron, Interval, cron

CONDITION_NAMES = ("accepted_feedback", "drift_alarm", "champion_older_than_days")
ConditionName = Literal["accepted_feedback", "drift_alarm", "champion_older_than_days"]
Engine = Literal["embedded", "zenml"]


class Condition(BaseModel):
    """Something that must hold when a schedule is due.

    Attributes:
        name: `accepted_feedback` (at least `limit` samples accepted since the schedule's last run that ended well),
            `drift_alarm` (one raised since then that still stands), `champion_older_than_days` (`limit` days).
        limit: what the figure is compared with; 1 for an alarm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ConditionName
    limit: float = Field(default=1, gt=0, allow_inf_nan=False)


class Schedule(BaseModel):
    """A command and when it is due.

    Attributes:
        id: never given twice; a schedule removed and added again is another one.
        command: arguments of `hematovision`, without the program.
        folder: where the command is run, so that relative paths mean what they meant when it was added.
        cron: a crontab line, in `timezone`; or else `interval_seconds`, counted from `created`.
        conditions: with `any_condition` one of them is enough, otherwise all must hold; none: always.
        next_due: in UTC; None where none is left.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    command: tuple[str, ...] = Field(min_length=1)
    folder: str
    cron: str | None = None
    timezone: str = "UTC"
    interval_seconds: float | None = Field(default=None, ge=1, allow_inf_nan=False)
    conditions: tuple[Condition, ...] = ()
    any_condition: bool = False
    retries: int = Field(ge=0, le=100)
    engine: Engine = "embedded"
    engine_id: str | None = None
    paused: bool = False
    created: datetime
    next_due: datetime | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if (self.cron is None) == (self.interval_seconds is None):
            raise ValueError("give either a crontab line or an interval")
        return self

    def due_after(self, moment: datetime) -> datetime | None:
        """The first due time later than a moment, in UTC."""
        return self._rule().next_after(moment)

    def _rule(self) -> Cron | Interval:
        if self.cron is not None:
            return cron(self.cron, self.timezone)
        return Interval(self.interval_seconds or 0, self.created)

    def dues(self, first: datetime, until: datetime, most: int) -> int:
        """How many due times there are from `first`, itself one, up to and with `until`; counted up to `most`."""
        count, due = 0, first
        while due <= until and count < most:
            count += 1
            following = self.due_after(due)
            if following is None:
                break
            due = following
        return count


State = Literal["waiting", "starting", "running", "done", "failed", "refused", "skipped", "cancelled"]
OPEN: tuple[State, ...] = ("waiting", "starting", "running")


class Firing(BaseModel):
    """One due time of a schedule and what became of it.

    Attributes:
        due: the time it stands for, in UTC; of a catch-up, the first that was missed.
        merged: how many due times it stands for.
        cause: `time`, or `person` for `run-now`.
        state: waiting → starting → running → done, failed, refused (by a gate), skipped (why is in `reason`) or
            cancelled.
        attempts: how often a run began.
        failures: how many of them failed or were killed.
        not_before: an attempt after a failure waits until then.
        token: of the attempt under way; whoever holds another one has no say any more.
        machine, pid, started: the process that looks after the run (`starting`: the daemon that is starting it).
        job_pid, job_started: the command itself.
        beat: when that process was last heard of.
        exit_code: of the last attempt; negative where a signal ended it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    schedule_id: str
    schedule: str
    due: datetime
    merged: int
    cause: Literal["time", "person"]
    state: State
    reason: str | None
    attempts: int
    failures: int
    not_before: datetime | None
    token: str | None
    machine: str | None
    pid: int | None
    started: str | None
    job_pid: int | None
    job_started: str | None
    beat: datetime | None
    begun: datetime | None
    ended: datetime | None
    exit_code: int | None
    log: str | None

    @property
    def open(self) -> bool:
        """Whether it has not come to an end."""
        return self.state in OPEN


def utc_text(moment: datetime) -> str:
    """A time as it is stored: text that sorts as the times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def shown_command(command: Sequence[str]) -> str:
    """A command as a person would type it."""
    import shlex

    return shlex.join(["hematovision", *command])


def document(item: BaseModel) -> dict[str, Any]:
    """An item as JSON values."""
    return item.model_dump(mode="json")
