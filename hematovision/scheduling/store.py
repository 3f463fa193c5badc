"""Where schedules are kept: added, paused, resumed, removed, durable before a call returns."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hematovision.database import database_url, open_database, writing
from hematovision.errors import UsageError
from hematovision.home import Home
from hematovision.scheduling.schedule import OPEN, Schedule, utc_text
from hematovision.scheduling.tables import FIRINGS, METADATA, SCHEDULES

if TYPE_CHECKING:
    from sqlalchemy import Engine, RowMapping


def schedule_of(row: "RowMapping") -> Schedule:
    """A row as a schedule."""
    return Schedule.model_validate(
        {**row, "command": json.loads(row["command"]), "conditions": json.loads(row["conditions"])}
    )


def _row(schedule: Schedule) -> dict[str, Any]:
    values = schedule.model_dump(mode="json")
    values["command"] = json.dumps(values["command"])
    values["conditions"] = json.dumps(values["conditions"])
    values["created"] = utc_text(schedule.created)
    values["next_due"] = utc_text(schedule.next_due) if schedule.next_due else None
    return values


def open_schedules(home: Home, database: str | None) -> "ScheduleStore":
    """The store of a home, or of the database a setting names; its tables are made.

    Raises:
        UsageError: the setting names no database that can be opened.
    """
    default = home.databases / "schedules.db"
    return ScheduleStore(open_database(database_url(database, default, named="records.database")))


class ScheduleStore:
    """Schedules by name; a removed one leaves its history behind."""

    def __init__(self, engine: "Engine") -> None:
        self.engine = engine
        with writing(engine) as connection:
            METADATA.create_all(connection)

    def add(self, schedule: Schedule) -> Schedule:
        """Keep a new schedule; what it is given for `next_due` is when it fires first.

        Raises:
            UsageError: there is one of this name.
        """
        with writing(self.engine) as connection:
            taken = connection.execute(SCHEDULES.select().where(SCHEDULES.c.name == schedule.name)).first()
            if taken:
                raise UsageError(
                    f"There is a schedule named {schedule.name!r} already; remove it first, or give another name."
                )
            connection.execute(SCHEDULES.insert().values(_row(schedule)))
        return schedule

    def all(self) -> list[Schedule]:
        """Every schedule, by name."""
        with self.engine.connect() as connection:
            rows = connection.execute(SCHEDULES.select().order_by(SCHEDULES.c.name)).mappings().all()
        return [schedule_of(row) for row in rows]

    def get(self, name: str) -> Schedule:
        """The schedule of a name.

        Raises:
            UsageError: there is none; the message names those there are.
        """
        found = {schedule.name: schedule for schedule in self.all()}
        if name not in found:
            known = ", ".join(found) or "none yet"
            raise UsageError(f"There is no schedule named {name!r}. Known: {known}.")
        return found[name]

    def by_id(self, number: str) -> Schedule | None:
        """The schedule of an id, unless it was removed."""
        with self.engine.connect() as connection:
            row = connection.execute(SCHEDULES.select().where(SCHEDULES.c.id == number)).mappings().first()
        return schedule_of(row) if row else None

    def pause(self, name: str) -> Schedule:
        """Nothing of it is started from now on; a run under way goes on."""
        return self._change(self.get(name), paused=True)

    def resume(self, name: str, now: datetime) -> Schedule:
        """Due again from now on; what fell into the pause is left out, on purpose."""
        schedule = self.get(name)
        if not schedule.paused:
            return schedule
        following = schedule.due_after(now)
        return self._change(schedule, paused=False, next_due=utc_text(following) if following else None)

    def _change(self, schedule: Schedule, **values: Any) -> Schedule:
        with writing(self.engine) as connection:
            connection.execute(SCHEDULES.update().where(SCHEDULES.c.id == schedule.id).values(values))
        return self.get(schedule.name)

    def remove(self, name: str, now: datetime) -> Schedule:
        """Take a schedule away: what waits is cancelled, a run under way goes on, the history stays."""
        schedule = self.get(name)
        with writing(self.engine) as connection:
            connection.execute(SCHEDULES.delete().where(SCHEDULES.c.id == schedule.id))
            waiting = FIRINGS.update().where(FIRINGS.c.schedule_id == schedule.id, FIRINGS.c.state == OPEN[0])
            connection.execute(
                waiting.values(state="cancelled", reason="the schedule was removed", ended=utc_text(now))
            )
        return schedule
