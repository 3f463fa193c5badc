"""When a schedule is due: each time of the day once, whatever is done to the clock; weekdays as crontab counts them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hematovision.errors import UsageError
from hematovision.scheduling.timing import Cron, Interval

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
# Around every change of the clock in these zones that is odd in some way, and ordinary days.
MOMENTS = st.sampled_from(
    [
        datetime(2026, 3, 28, 20, tzinfo=UTC),
        datetime(2026, 10, 24, 20, tzinfo=UTC),
        datetime(2026, 3, 8, 1, tzinfo=UTC),
        datetime(2026, 11, 1, 1, tzinfo=UTC),
        datetime(2026, 4, 4, 10, tzinfo=UTC),
        datetime(2026, 10, 3, 10, tzinfo=UTC),
        datetime(2011, 12, 29, 20, tzinfo=UTC),
        datetime(2026, 6, 1, tzinfo=UTC),
    ]
).flatmap(lambda start: st.integers(0, 12 * 3600).map(lambda seconds: start + timedelta(seconds=seconds)))
MINUTES = st.one_of(st.just("*"), st.integers(0, 59).map(str), st.sampled_from(["*/7", "0,30", "10-20/5"]))
HOURS = st.one_of(st.just("*"), st.integers(0, 23).map(str), st.sampled_from(["*/6", "1-3", "2,3"]))
LINES = st.builds(lambda minute, hour: f"{minute} {hour} * * *", MINUTES, HOURS)


def _dues(cron: Cron, start: datetime, until: datetime) -> list[datetime]:
    found = []
    while (due := cron.next_after(start)) is not None and due <= until:
        found.append(due)
        start = due
    return found


@settings(max_examples=30, deadline=None)
@given(line=LINES, zone=st.sampled_from(ZONES), start=MOMENTS, ahead=st.integers(0, 20 * 3600))
def test_due_times_do_not_depend_on_when_they_are_asked_for(line: str, zone: str, start: datetime, ahead: int) -> None:
    cron = Cron(line, zone)
    first = cron.next_after(start)
    assert first is not None and first > start
    between = start + timedelta(seconds=min(ahead, (first - start).total_seconds() - 0.001))
    assert cron.next_after(between) == first


@settings(max_examples=30, deadline=None)
@given(minute=st.integers(0, 59), hour=st.integers(0, 23), zone=st.sampled_from(ZONES[:-1]), start=MOMENTS)
def test_a_time_of_the_day_comes_once_a_day(minute: int, hour: int, zone: str, start: datetime) -> None:
    dues = _dues(Cron(f"{minute} {hour} * * *", zone), start, start + timedelta(days=4))
    days = [due.astimezone(ZoneInfo(zone)).date() for due in dues]
    assert len(set(days)) == len(days)
    assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(days))


@settings(max_examples=30, deadline=None)
@given(step=st.sampled_from([5, 10, 15, 30]), zone=st.sampled_from(ZONES), start=MOMENTS)
def test_a_line_for_every_hour_goes_by_the_time_that_passes(step: int, zone: str, start: datetime) -> None:
    dues = _dues(Cron(f"*/{step} * * * *", zone), start, start + timedelta(hours=30))
    gaps = {later - earlier for earlier, later in pairwise(dues)}
    assert gaps == {timedelta(minutes=step)}


@pytest.mark.parametrize(
    ("line", "day", "dues"),
    [
        ("30 2 * * *", "2026-03-29", ["01:00"]),  # 02:00 to 03:00 is skipped in Berlin: as it would have begun
        ("30 2 * * *", "2026-10-25", ["00:30"]),  # and comes twice in autumn: the first time
        ("30 2-3 * * *", "2026-03-29", ["01:00", "01:30"]),
        ("0 3 * * *", "2026-03-29", ["01:00"]),
        ("0 0,2,3 * * *", "2026-03-29", ["01:00"]),  # 02:00 and 03:00 are one moment then; midnight was the day before
    ],
)
def test_the_clock_is_changed_in_berlin(line: str, day: str, dues: list[str]) -> None:
    start = datetime.fromisoformat(f"{day}T00:00:00+00:00") - timedelta(seconds=1)
    found = _dues(Cron(line, "Europe/Berlin"), start, start + timedelta(hours=12))
    assert [due.strftime("%H:%M") for due in found] == dues


@pytest.mark.parametrize(
    ("field", "days"),
    [("0", "Sun"), ("7", "Sun"), ("1", "Mon"), ("sun", "Sun"), ("5-7", "Fri Sat Sun"), ("1-5/2", "Mon Wed Fri")],
)
def test_weekdays_are_counted_as_in_a_crontab(field: str, days: str) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday
    found = _dues(Cron(f"0 12 * * {field}", "UTC"), start, start + timedelta(days=7))
    assert " ".join(due.strftime("%a") for due in found) == days


def test_either_kind_of_day_is_enough_where_both_are_given() -> None:
    found = _dues(Cron("0 3 13 * 5", "UTC"), datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    assert [due.day for due in found] == [6, 13, 20, 27]  # Fridays, the 13th among them
    found = _dues(Cron("0 3 15 * 5", "UTC"), datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    assert [due.day for due in found] == [6, 13, 15, 20, 27]


@pytest.mark.parametrize(
    "line", ["", "* * * *", "61 * * * *", "0 2 * * 8", "0 2 * * fri-mon", "x * * * *", "0 2 L * *"]
)
def test_what_is_no_crontab_line_is_refused_by_name(line: str) -> None:
    with pytest.raises(UsageError, match="no crontab line"):
        Cron(line, "UTC")


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(UsageError, match="Mars/Olympus"):
        Cron("0 2 * * *", "Mars/Olympus")


def test_a_day_that_never_comes_has_no_due_time() -> None:
    assert Cron("0 3 31 2 *", "UTC").next_after(datetime(2026, 1, 1, tzinfo=UTC)) is None


@settings(max_examples=50, deadline=None)
@given(seconds=st.integers(1, 10_000), ahead=st.integers(-5_000, 100_000))
def test_an_interval_counts_from_its_start(seconds: int, ahead: int) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    moment = start + timedelta(seconds=ahead)
    due = Interval(seconds, start).next_after(moment)
    assert due > moment and (due - start) % timedelta(seconds=seconds) == timedelta(0)
    assert due > start and (due - moment <= timedelta(seconds=seconds) or moment < start)
