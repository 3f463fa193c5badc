"""What became of each due time: claimed once, run by one process at a time, tried again within bounds, never forgotten.

Every change names the state it changes, in a transaction that is the only one writing; a process that was killed and
one that came too late are the same to it. An attempt holds a token; with the next attempt it loses its say.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hematovision.database import writing
from hematovision.errors import UsageError
from hematovision.scheduling.outcome import Outcome, forget_note, noted_end
from hematovision.scheduling.processes import Process
from hematovision.scheduling.schedule import OPEN, Firing, Schedule, State, utc_text
from hematovision.scheduling.settings import SchedulingSettings
from hematovision.scheduling.store import schedule_of
from hematovision.scheduling.tables import FIRINGS, SCHEDULES

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, RowMapping

MOST_COUNTED = 1000  # due times a catch-up counts one by one
UNDER_WAY: tuple[State, ...] = ("starting", "running")
NOBODY: dict[str, Any] = dict.fromkeys(("token", "machine", "pid", "started", "job_pid", "job_started", "beat"))


def _firing(row: "RowMapping") -> Firing:
    return Firing.model_validate(dict(row))


def _holder(process: Process) -> dict[str, Any]:
    return {"machine": process.machine, "pid": process.pid, "started": process.started}


def _fresh(schedule: Schedule, due: datetime, **values: Any) -> dict[str, Any]:
    return {
        "id": uuid4().hex,
        "schedule_id": schedule.id,
        "schedule": schedule.name,
        "due": utc_text(due),
        "merged": 1,
        "cause": "time",
        "state": "waiting",
        "attempts": 0,
        "failures": 0,
        **values,
    }


class Firings:
    """The firings of one store."""

    def __init__(self, engine: "Engine", settings: SchedulingSettings) -> None:
        self.engine = engine
        self._settings = settings

    def claim(self, now: datetime) -> list[Firing]:
        """Write down what is due, each due time once; all that was missed of a schedule becomes one firing."""
        due = (SCHEDULES.c.next_due <= utc_text(now)) & (SCHEDULES.c.engine == "embedded") & ~SCHEDULES.c.paused
        with self.engine.connect() as connection:
            if connection.execute(SCHEDULES.select().where(due).limit(1)).first() is None:
                return []
        with writing(self.engine) as connection:
            schedules = [schedule_of(row) for row in connection.execute(SCHEDULES.select().where(due)).mappings()]
            return [self._claim(connection, schedule, now) for schedule in schedules]

    def _claim(self, connection: "Connection", schedule: Schedule, now: datetime) -> Firing:
        due = schedule.next_due or now
        values = _fresh(schedule, due, merged=schedule.dues(due, now, MOST_COUNTED))
        before = self._open(connection, schedule)
        if before:
            reason = f"the firing due at {before['due']} is still {before['state']}"
            values |= {"state": "skipped", "reason": reason, "ended": utc_text(now)}
        connection.execute(FIRINGS.insert().values(values))
        following = schedule.due_after(now)
        connection.execute(
            SCHEDULES.update()
            .where(SCHEDULES.c.id == schedule.id)
            .values(next_due=utc_text(following) if following else None)
        )
        return self._get(connection, values["id"])

    def ask_for(self, schedule: Schedule, now: datetime) -> Firing:
        """A firing that a person asks for, at once.

        Raises:
            UsageError: one of this schedule has not ended yet.
        """
        with writing(self.engine) as connection:
            before = self._open(connection, schedule)
            if before:
                raise UsageError(
                    f"{schedule.name!r} is {before['state']} already, for {before['due']}; runs of a schedule never "
                    "overlap. `hematovision schedule history` says when it has ended."
                )
            values = _fresh(schedule, now, cause="person")
            connection.execute(FIRINGS.insert().values(values))
            return self._get(connection, values["id"])

    def take(self, holder: Process, now: datetime, only: str | None = None) -> list[tuple[Firing, Schedule]]:
        """Firings to start, no more than run side by side on this machine; from here on they are the holder's.

        Args:
            only: the id of one firing; taken whatever else is running.
        """
        ready = (FIRINGS.c.state == "waiting") & (
            FIRINGS.c.not_before.is_(None) | (FIRINGS.c.not_before <= utc_text(now))
        )
        ready &= (FIRINGS.c.cause == "person") | ~SCHEDULES.c.paused
        if only:
            ready &= FIRINGS.c.id == only
        joined = FIRINGS.join(SCHEDULES, FIRINGS.c.schedule_id == SCHEDULES.c.id)
        wanted = FIRINGS.select().with_only_columns(FIRINGS.c.id).select_from(joined).where(ready)
        with self.engine.connect() as connection:
            if connection.execute(wanted.limit(1)).first() is None:
                return []
        with writing(self.engine) as connection:
            free = 1 if only else self._settings.at_once - self._busy(connection, holder)
            numbers = connection.execute(wanted.order_by(FIRINGS.c.due).limit(max(0, free))).scalars().all()
            return [self._take(connection, number, holder, now) for number in numbers]

    def _take(self, connection: "Connection", number: str, holder: Process, now: datetime) -> tuple[Firing, Schedule]:
        values = {**NOBODY, **_holder(holder), "state": "starting", "token": uuid4().hex, "beat": utc_text(now)}
        connection.execute(FIRINGS.update().where(FIRINGS.c.id == number).values(values))
        firing = self._get(connection, number)
        schedule = connection.execute(SCHEDULES.select().where(SCHEDULES.c.id == firing.schedule_id)).mappings().one()
        return firing, schedule_of(schedule)

    def _busy(self, connection: "Connection", holder: Process) -> int:
        here = FIRINGS.c.state.in_(UNDER_WAY) & (FIRINGS.c.machine == holder.machine)
        return len(connection.execute(FIRINGS.select().where(here)).all())

    def begin(self, number: str, token: str, keeper: Process, log: str, now: datetime) -> Firing | None:
        """The run's first act: from here on it is the keeper's. None where somebody else was given it meanwhile."""
        values = {**_holder(keeper), "state": "running", "beat": utc_text(now), "begun": utc_text(now), "log": log}
        with writing(self.engine) as connection:
            mine = FIRINGS.update().where(
                FIRINGS.c.id == number, FIRINGS.c.token == token, FIRINGS.c.state == "starting"
            )
            changed = connection.execute(mine.values(**values, attempts=FIRINGS.c.attempts + 1)).rowcount
            return self._get(connection, number) if changed else None

    def hold_job(self, number: str, token: str, job: Process) -> bool:
        """Note the command's own process; False where the run has lost its say."""
        return self._update(number, token, ("running",), job_pid=job.pid, job_started=job.started)

    def beat(self, number: str, token: str, now: datetime) -> bool:
        """Say that the run lives; False where it has lost its say and must end."""
        return self._update(number, token, ("running",), beat=utc_text(now))

    def _update(self, number: str, token: str, states: Sequence[State], **values: Any) -> bool:
        mine = FIRINGS.c.token == token, FIRINGS.c.id == number, FIRINGS.c.state.in_(states)
        with writing(self.engine) as connection:
            return bool(connection.execute(FIRINGS.update().where(*mine).values(values)).rowcount)

    def conclude(
        self, number: str, token: str, outcome: Outcome, now: datetime, states: Sequence[State] = UNDER_WAY
    ) -> Firing | None:
        """End an attempt, once: the firing has ended with it, or waits for the next one.

        Returns:
            The firing, or None where this attempt has no say any more.
        """
        with writing(self.engine) as connection:
            firing = self._get(connection, number)
            if firing.token != token or firing.state not in states:
                return None
            values = self._after(connection, firing, outcome, now)
            connection.execute(FIRINGS.update().where(FIRINGS.c.id == number).values({**NOBODY, **values}))
            return self._get(connection, number)

    def _after(self, connection: "Connection", firing: Firing, outcome: Outcome, now: datetime) -> dict[str, Any]:
        failures = firing.failures + (outcome.kind in ("failed", "hopeless"))
        told = {"reason": outcome.reason, "exit_code": outcome.exit_code, "failures": failures}
        if outcome.kind in ("failed", "stopped"):
            schedule = SCHEDULES.select().where(SCHEDULES.c.id == firing.schedule_id)
            row = connection.execute(schedule).mappings().first()
            if row is None:
                return {**told, "state": "failed", "ended": utc_text(now)}
            if outcome.kind == "stopped":
                return {**told, "state": "waiting", "not_before": None}
            if failures <= row["retries"]:
                return {**told, "state": "waiting", "not_before": utc_text(now + self._backoff(failures))}
        state = "failed" if outcome.kind in ("failed", "hopeless") else outcome.kind
        return {**told, "state": state, "ended": utc_text(now), "not_before": None}

    def _backoff(self, failures: int) -> timedelta:
        doubled = self._settings.backoff_seconds * 2.0 ** (failures - 1)
        return timedelta(seconds=min(doubled, self._settings.longest_backoff_seconds))

    def reap(self, now: datetime) -> list[Firing]:
        """Take over what dead daemons and dead runs left behind; each is counted once, whoever comes first."""
        found = []
        for firing in self.under_way():
            outcome = self._lost(firing, now)
            if outcome is None:
                continue
            if firing.job_pid and firing.job_started and firing.machine:
                Process(firing.machine, firing.job_pid, firing.job_started).end_group()
            ended = self.conclude(firing.id, firing.token or "", outcome, now, (firing.state,))
            found += [ended] if ended else []
            forget_note(firing.log)
        return found

    def _lost(self, firing: Firing, now: datetime) -> Outcome | None:
        holder = Process(firing.machine or "", firing.pid or 0, firing.started or "")
        silent = (now - (firing.beat or now)).total_seconds() > self._settings.lease_seconds
        if holder.here and not holder.lives():
            if firing.state == "starting":
                return Outcome("stopped", "the daemon that was starting it is gone")
            lost = Outcome("failed", "its process was killed before it could say how the command ended")
            return noted_end(firing.log, firing.token or "") or lost
        if silent and (firing.state == "starting" or not holder.here):
            return Outcome("failed", f"nothing was heard of it for {self._settings.lease_seconds:g} s")
        return None

    def under_way(self) -> list[Firing]:
        """What is starting or running."""
        return self._select(FIRINGS.c.state.in_(UNDER_WAY))

    def unfinished(self) -> list[Firing]:
        """What waits, starts or runs."""
        return self._select(FIRINGS.c.state.in_(OPEN))

    def history(self, schedule: str | None = None, most: int = 50) -> list[Firing]:
        """The latest firings, the latest first; also of schedules that were removed."""
        return self._select(FIRINGS.c.schedule == schedule if schedule else FIRINGS.c.id.is_not(None), most)

    def get(self, number: str) -> Firing:
        """A firing by its id."""
        with self.engine.connect() as connection:
            return self._get(connection, number)

    def last_done(self, schedule: Schedule) -> Firing | None:
        """The last firing of a schedule that ended well."""
        done = (FIRINGS.c.schedule_id == schedule.id) & (FIRINGS.c.state == "done")
        return next(iter(self._select(done, 1)), None)

    def forget_old(self, schedule: Schedule) -> list[Firing]:
        """Drop ended firings beyond those that are kept; gives them back, so that their logs can go too."""
        ended = (FIRINGS.c.schedule_id == schedule.id) & FIRINGS.c.state.not_in(OPEN)
        old = self._select(ended, most=-1)[self._settings.history_kept :]
        with writing(self.engine) as connection:
            connection.execute(FIRINGS.delete().where(FIRINGS.c.id.in_([firing.id for firing in old])))
        return old

    def _select(self, condition: Any, most: int = -1) -> list[Firing]:
        chosen = FIRINGS.select().where(condition).order_by(FIRINGS.c.due.desc())
        with self.engine.connect() as connection:
            rows = connection.execute(chosen.limit(most) if most >= 0 else chosen).mappings().all()
        return [_firing(row) for row in rows]

    @staticmethod
    def _get(connection: "Connection", number: str) -> Firing:
        return _firing(connection.execute(FIRINGS.select().where(FIRINGS.c.id == number)).mappings().one())

    @staticmethod
    def _open(connection: "Connection", schedule: Schedule) -> "RowMapping | None":
        same = (FIRINGS.c.schedule_id == schedule.id) & FIRINGS.c.state.in_(OPEN)
        return connection.execute(FIRINGS.select().where(same)).mappings().first()
