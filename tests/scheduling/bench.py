"""What the tests of this room share: a store, a clock that is handed on, a schedule."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from hematovision.config import load_config
from hematovision.database import open_database
from hematovision.scheduling.processes import Process
from hematovision.scheduling.schedule import Firing, Schedule
from hematovision.scheduling.settings import SchedulingSettings
from hematovision.scheduling.store import ScheduleStore

START = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Clock:
    """A time that passes when it is told to."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def on(self, **time: float) -> datetime:
        """Later by so much."""
        self.now += timedelta(**time)
        return self.now


def scheduling(**changes: Any) -> SchedulingSettings:
    """The defaults with changes."""
    return SchedulingSettings.model_validate({**load_config().scheduling.model_dump(), **changes})


def stored(tmp_path: Path) -> ScheduleStore:
    """A store in a file."""
    return ScheduleStore(open_database(f"sqlite:///{tmp_path / 'schedules.db'}"))


def schedule(name: str = "nightly", start: datetime = START, **values: Any) -> Schedule:
    """Every hour, unless told otherwise; due first after its start."""
    rule = {} if "interval_seconds" in values else {"cron": "0 * * * *"}
    given = {"command": ("backbones",), "folder": "/", "retries": 2, "created": start, **rule, **values}
    found = Schedule(id=uuid4().hex, name=name, **given)
    return found.model_copy(update={"next_due": found.due_after(start)})


def gone(process: Process) -> Process:
    """A process of the same number that was started at another time: it has ended long ago."""
    return Process(process.machine, process.pid, "long ago")


def states(firings: list[Firing]) -> list[str]:
    """Their states, the earliest first."""
    return [firing.state for firing in sorted(firings, key=lambda firing: firing.due)]


Tick = Callable[[], None]
