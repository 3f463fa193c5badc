"""How the embedded scheduler behaves."""

from pydantic import BaseModel, ConfigDict, Field


class SchedulingSettings(BaseModel):
    """Numbers of the daemon and of the runs it starts.

    Attributes:
        timezone: an IANA name; of schedules that name none.
        tick_seconds: how often a daemon looks for what is due.
        lease_seconds: a daemon or run on another machine that was silent for so long is given up.
        at_once: runs side by side on one machine.
        retries: further attempts of a firing whose run failed or was killed; of schedules that say nothing else.
        backoff_seconds: before the first further attempt; doubled before each next one.
        longest_backoff_seconds: what the doubling stops at.
        longest_run_seconds: a run that takes longer is killed and counts as failed.
        stop_seconds: how long a daemon that is told to stop waits for its runs, and a run for its command.
        history_kept: ended firings of a schedule that are kept, with their logs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    timezone: str
    tick_seconds: float = Field(gt=0, le=60)
    lease_seconds: float = Field(ge=5)
    at_once: int = Field(ge=1)
    retries: int = Field(ge=0, le=100)
    backoff_seconds: float = Field(ge=0)
    longest_backoff_seconds: float = Field(ge=0)
    longest_run_seconds: float = Field(gt=0)
    stop_seconds: float = Field(ge=0)
    history_kept: int = Field(ge=1)
