"""Who keeps the schedules, and whether they are kept."""

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel

from hematovision.database import writing
from hematovision.scheduling.firings import Firings
from hematovision.scheduling.processes import Process
from hematovision.scheduling.schedule import Firing, Schedule, utc_text
from hematovision.scheduling.settings import SchedulingSettings
from hematovision.scheduling.store import ScheduleStore
from hematovision.scheduling.tables import DAEMONS

if TYPE_CHECKING:
    from sqlalchemy import Engine


class DaemonState(BaseModel):
    """A daemon that said it was there; `alive` is what is known of it now."""

    machine: str
    pid: int
    since: datetime
    beat: datetime
    alive: bool


class Health(BaseModel):
    """The state of the embedded scheduler.

    Attributes:
        healthy: a daemon is alive and nothing is overdue.
        problems: what is wrong, in sentences.
        overdue: schedules due for longer than a lease that nobody claimed.
        running: firings under way. waiting: firings that wait for a place or for their next attempt.
    """

    healthy: bool
    problems: list[str]
    daemons: list[DaemonState]
    overdue: list[str]
    running: list[Firing]
    waiting: list[Firing]


def _number(process: Process) -> str:
    return f"{process.machine}/{process.pid}/{process.started}"


def register_daemon(engine: "Engine", process: Process, now: datetime) -> None:
    """Say that a daemon is there; dead ones of this machine are forgotten."""
    same = DAEMONS.c.id == _number(process)
    with writing(engine) as connection:
        if connection.execute(DAEMONS.update().where(same).values(beat=utc_text(now))).rowcount:
            return
        for row in connection.execute(DAEMONS.select()).mappings().all():
            other = Process(row["machine"], row["pid"], row["started"])
            if other.here and not other.lives():
                connection.execute(DAEMONS.delete().where(DAEMONS.c.id == row["id"]))
        connection.execute(
            DAEMONS.insert().values(
                id=_number(process),
                machine=process.machine,
                pid=process.pid,
                started=process.started,
                since=utc_text(now),
                beat=utc_text(now),
            )
        )


def unregister_daemon(engine: "Engine", process: Process) -> None:
    """Say that a daemon has left."""
    with writing(engine) as connection:
        connection.execute(DAEMONS.delete().where(DAEMONS.c.id == _number(process)))


def daemons(engine: "Engine", settings: SchedulingSettings, now: datetime) -> list[DaemonState]:
    """Every daemon on a store that did not leave properly, dead ones included."""
    with engine.connect() as connection:
        rows = connection.execute(DAEMONS.select().order_by(DAEMONS.c.since)).mappings().all()
    found = []
    for row in rows:
        process = Process(row["machine"], row["pid"], row["started"])
        fresh = (now - datetime.fromisoformat(row["beat"])).total_seconds() <= settings.lease_seconds
        kept = {key: row[key] for key in ("machine", "pid", "since", "beat")}
        found.append(DaemonState(**kept, alive=fresh and (process.lives() or not process.here)))
    return found


def _overdue(schedule: Schedule, settings: SchedulingSettings, now: datetime) -> bool:
    if schedule.paused or schedule.engine != "embedded" or schedule.next_due is None:
        return False
    return (now - schedule.next_due).total_seconds() > settings.lease_seconds


def health(store: ScheduleStore, settings: SchedulingSettings, now: datetime) -> Health:
    """Whether schedules are kept, and if not, what to do."""
    found = daemons(store.engine, settings, now)
    overdue = [schedule.name for schedule in store.all() if _overdue(schedule, settings, now)]
    problems = []
    if not any(daemon.alive for daemon in found):
        problems.append("No daemon is alive: start `hematovision schedule daemon`.")
    if overdue:
        problems.append(f"Due, and claimed by nobody: {', '.join(overdue)}.")
    unfinished = Firings(store.engine, settings).unfinished()
    return Health(
        healthy=not problems,
        problems=problems,
        daemons=found,
        overdue=overdue,
        running=[firing for firing in unfinished if firing.state != "waiting"],
        waiting=[firing for firing in unfinished if firing.state == "waiting"],
    )
