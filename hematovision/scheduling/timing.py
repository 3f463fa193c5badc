"""When a schedule is due: crontab lines in a time zone, with the rules of cron where clocks change; intervals."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hematovision.errors import UsageError

NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FIELD = re.compile(r"[\d*/,-]+")
NAMED_FIELD = re.compile(r"(?:[\d*/,-]|[a-z]{3})+")
WEEKDAY_PART = re.compile(r"(?:(\*)|(\d|[a-z]{3})(?:-(\d|[a-z]{3}))?)(?:/(\d+))?")


def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        UsageError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{name!r} is no time zone; give an IANA name such as Europe/Berlin or UTC.") from error


def _weekday(text: str) -> int:
    return int(text) if text.isdigit() else WEEKDAYS.index(text)


def _weekday_part(part: str) -> set[int]:
    found = WEEKDAY_PART.fullmatch(part)
    if found is None:
        raise ValueError(f"{part!r} is no day of the week")
    everything, first, last, step = found.groups()
    low = 0 if everything else _weekday(first)
    high = 6 if everything or (step and not last) else _weekday(last or first)
    if not low <= high <= 7 or step == "0":
        raise ValueError(f"{part!r} is no day of the week: 0 to 7 or sun to sat, from the lower to the higher")
    return {day % 7 for day in range(low, high + 1, int(step or 1))}


def _weekdays(field: str) -> str:
    """Crontab counts weekdays from Sunday, APScheduler 3 from Monday: names mean the same to both."""
    days = set().union(*(_weekday_part(part) for part in field.split(",")))
    return ",".join(WEEKDAYS[day] for day in sorted(days))


def _fields(line: str) -> list[str]:
    fields = NICKNAMES.get(line.strip().lower(), line).lower().split()
    if len(fields) != 5:
        raise ValueError("five fields are needed: minute, hour, day of the month, month, day of the week")
    for position, field in enumerate(fields):
        if not (NAMED_FIELD if position >= 3 else FIELD).fullmatch(field):
            raise ValueError(f"{field!r} is no crontab field")
    return fields


def _triggers(fields: list[str], timezone: Any) -> list[Any]:
    """One trigger, or two where both kinds of day are restricted: cron then takes either day."""
    from apscheduler.triggers.cron import CronTrigger

    minute, hour, day, month, weekday = fields
    same = {"minute": minute, "hour": hour, "month": month, "timezone": timezone}
    if day.startswith("*") or weekday.startswith("*"):
        return [CronTrigger(**same, day=day, day_of_week="*" if weekday == "*" else _weekdays(weekday))]
    return [CronTrigger(**same, day=day), CronTrigger(**same, day_of_week=_weekdays(weekday))]


class Cron:
    """A crontab line in a time zone.

    Where the clock is changed it keeps the rules of Vixie's cron: a line with `*` for its hour goes by the time that
    passes; any other names times of the day, each of which comes once – in an hour that is skipped, when that hour
    would have begun; in one that is repeated, the first time.
    """

    def __init__(self, line: str, timezone: str) -> None:
        """Read the line.

        Raises:
            UsageError: it is no crontab line, or there is no such time zone.
        """
        self.zone = zone(timezone)
        try:
            fields = _fields(line)
            self._passing = fields[1] == "*"
            # Times of the day are looked for on a clock that nobody changes, and then found on the real one.
            self._triggers = _triggers(fields, self.zone if self._passing else UTC)
        except ValueError as error:
            raise UsageError(f"{line!r} is no crontab line: {error}.") from error

    def next_after(self, moment: datetime) -> datetime | None:
        """The first due time later than a moment, in UTC; None if there is none."""
        if self._passing:
            return self._next(moment.astimezone(self.zone))
        wall = moment.astimezone(self.zone).replace(tzinfo=UTC, fold=0)
        while (found := self._next(wall)) is not None:
            due = self._on_the_clock(found)
            if due > moment:
                return due
            wall = found
        return None

    def _next(self, after: datetime) -> datetime | None:
        later = (after.astimezone(UTC) + timedelta(microseconds=1)).astimezone(after.tzinfo)
        found = [trigger.get_next_fire_time(None, later) for trigger in self._triggers]
        return min((due.astimezone(UTC) for due in found if due is not None), default=None)

    def _on_the_clock(self, wall: datetime) -> datetime:
        local = wall.replace(tzinfo=self.zone, fold=0)
        due = local.astimezone(UTC)
        if due.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            return due
        return _end_of_gap(self.zone, due)


def _end_of_gap(timezone: ZoneInfo, after: datetime) -> datetime:
    """The moment at which a skipped hour was skipped, given one less than a day after it."""
    before = after - timedelta(days=1, hours=1)
    offset = after.astimezone(timezone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(timezone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)


class Interval:
    """Every so many seconds from a start."""

    def __init__(self, seconds: float, start: datetime) -> None:
        self._step, self._start = timedelta(seconds=seconds), start

    def next_after(self, moment: datetime) -> datetime:
        """The first due time later than a moment, in UTC."""
        passed = max(0, (moment - self._start) // self._step)
        return self._start + (passed + 1) * self._step


@lru_cache(maxsize=256)
def cron(line: str, timezone: str) -> Cron:
    """A crontab line, read once."""
    return Cron(line, timezone)
