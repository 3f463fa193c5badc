"""Due times and what becomes of them: claimed once, one attempt at a time, bounded, never forgotten."""

import os
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from hematovision.database import open_database, writing
from hematovision.errors import UsageError
from hematovision.scheduling.firings import Firings, _fresh
from hematovision.scheduling.outcome import Outcome
from hematovision.scheduling.processes import process
from hematovision.scheduling.store import ScheduleStore
from hematovision.scheduling.tables import FIRINGS
from tests.scheduling.bench import START, Clock, gone, schedule, scheduling, states, stored

HERE = process(os.getpid())
DONE, FAILED = Outcome("done", exit_code=0), Outcome("failed", "no luck", 1)


def _begun(firings: Firings, clock: Clock):
    ((taken, _),) = firings.take(HERE, clock())
    begun = firings.begin(taken.id, taken.token or "", HERE, "log", clock())
    assert begun is not None
    return begun


def test_a_due_time_is_claimed_by_one_of_two(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule())
    first, second = Firings(store.engine, scheduling()), Firings(stored(tmp_path).engine, scheduling())
    assert first.claim(clock.on(minutes=59)) == []
    assert len(first.claim(clock.on(minutes=1))) == 1
    assert second.claim(clock()) == []
    assert len(first.take(HERE, clock())) == 1
    assert second.take(HERE, clock()) == []


def test_the_database_itself_refuses_a_second_firing_of_a_due_time(tmp_path: Path) -> None:
    store = stored(tmp_path)
    kept = store.add(schedule())
    for number in range(2):
        values = FIRINGS.insert().values(_fresh(kept, START))
        if number == 0:
            with writing(store.engine) as connection:
                connection.execute(values)
        else:
            with pytest.raises(IntegrityError), writing(store.engine) as connection:
                connection.execute(values)


@settings(max_examples=25, deadline=None)
@given(
    line=st.sampled_from(["*/30 * * * *", "30 2 * * *", "0 * * * *", "15 1-3 * * *"]),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    start=st.sampled_from(["2026-03-28T20:00:00+00:00", "2026-10-24T20:00:00+00:00", "2026-11-01T01:00:00+00:00"]),
    looks=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 15_000)), min_size=1, max_size=8),
)
def test_every_due_time_is_in_exactly_one_firing(
    line: str, zone: str, start: str, looks: list[tuple[int, int]]
) -> None:
    """Two daemons that look whenever they like, sometimes after hours, across changes of the clock."""
    begin = type(START).fromisoformat(start)
    store, clock = ScheduleStore(open_database("sqlite://")), Clock(begin)
    kept = store.add(schedule(start=begin, cron=line, timezone=zone))
    daemons = [Firings(store.engine, scheduling()) for _ in range(2)]
    for who, seconds in looks:
        daemons[who].claim(clock.on(seconds=seconds))
        for taken, _ in daemons[1 - who].take(HERE, clock()):
            daemons[0].conclude(taken.id, taken.token or "", DONE, clock())
    found = sorted(daemons[0].history(most=1000), key=lambda firing: firing.due)
    assert kept.next_due is not None
    expected = kept.dues(kept.next_due, clock(), 10_000) if kept.next_due <= clock() else 0
    assert sum(firing.merged for firing in found) == expected
    assert len({firing.due for firing in found}) == len(found)
    for before, after in pairwise(found):
        assert kept.dues(before.due, after.due, 10_000) == before.merged + 1, "a due time between two firings"


def test_downtime_is_caught_up_by_one_run(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule())
    firings = Firings(store.engine, scheduling())
    (caught,) = firings.claim(clock.on(hours=10, minutes=30))
    assert (caught.merged, caught.due) == (10, START + timedelta(hours=1))
    assert store.get("nightly").next_due == START + timedelta(hours=11)
    assert firings.claim(clock()) == []


def test_years_of_downtime_are_one_run_too(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule(cron="* * * * *"))
    (caught,) = Firings(store.engine, scheduling()).claim(clock.on(days=1000))
    assert caught.merged == 1000
    assert store.get("nightly").next_due == clock() + timedelta(minutes=1)


def test_runs_of_a_schedule_do_not_overlap(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    kept = store.add(schedule())
    firings = Firings(store.engine, scheduling(at_once=8))
    firings.claim(clock.on(hours=1))
    running = _begun(firings, clock)
    (late,) = firings.claim(clock.on(hours=1))
    assert late.state == "skipped" and "still running" in (late.reason or "")
    assert firings.take(HERE, clock()) == []
    with pytest.raises(UsageError, match="never overlap"):
        firings.ask_for(kept, clock())
    firings.conclude(running.id, running.token or "", DONE, clock())
    firings.claim(clock.on(hours=1))
    assert states(firings.history()) == ["done", "skipped", "waiting"]


def test_attempts_are_bounded_and_wait_longer_each_time(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule(retries=3))
    firings = Firings(store.engine, scheduling(backoff_seconds=60, longest_backoff_seconds=150))
    firings.claim(clock.on(hours=1))
    waited = []
    for _ in range(3):
        begun = _begun(firings, clock)
        ended = firings.conclude(begun.id, begun.token or "", FAILED, clock())
        assert ended is not None and ended.state == "waiting" and ended.not_before is not None
        waited.append((ended.not_before - clock()).total_seconds())
        assert firings.take(HERE, clock.on(seconds=waited[-1] - 1)) == []
        clock.on(seconds=1)
    begun = _begun(firings, clock)
    ended = firings.conclude(begun.id, begun.token or "", FAILED, clock())
    assert waited == [60, 120, 150]
    assert ended is not None and (ended.state, ended.attempts, ended.failures) == ("failed", 4, 4)


@pytest.mark.parametrize(("kind", "state"), [("hopeless", "failed"), ("refused", "refused"), ("skipped", "skipped")])
def test_what_would_end_the_same_way_is_not_tried_again(tmp_path: Path, kind: str, state: str) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule())
    firings = Firings(store.engine, scheduling())
    firings.claim(clock.on(hours=1))
    begun = _begun(firings, clock)
    ended = firings.conclude(begun.id, begun.token or "", Outcome(kind, "why"), clock())  # type: ignore[arg-type]
    assert ended is not None and (ended.state, ended.reason) == (state, "why")


def test_an_attempt_that_was_given_up_has_no_say(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule())
    firings = Firings(store.engine, scheduling(backoff_seconds=0))
    firings.claim(clock.on(hours=1))
    ((slow, _),) = firings.take(HERE, clock())
    (given_up,) = firings.reap(clock.on(seconds=61))
    assert given_up.state == "waiting" and given_up.failures == 1
    ((second, _),) = firings.take(HERE, clock())
    assert firings.begin(slow.id, slow.token or "", HERE, "log", clock()) is None, "the second is being started"
    begun = firings.begin(second.id, second.token or "", HERE, "log", clock())
    assert begun is not None
    assert firings.begin(slow.id, slow.token or "", HERE, "log", clock()) is None
    assert not firings.beat(slow.id, slow.token or "", clock())
    assert not firings.hold_job(slow.id, slow.token or "", HERE)
    assert firings.conclude(slow.id, slow.token or "", DONE, clock()) is None
    assert firings.get(slow.id) == begun


def test_a_killed_run_is_reaped_once_by_whoever_comes_first(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule())
    firings = Firings(store.engine, scheduling())
    firings.claim(clock.on(hours=1))
    ((taken, _),) = firings.take(HERE, clock())
    firings.begin(taken.id, taken.token or "", gone(HERE), "log", clock())
    (reaped,) = firings.reap(clock())
    assert (reaped.state, reaped.failures, reaped.attempts) == ("waiting", 1, 1)
    assert "killed" in (reaped.reason or "")
    assert Firings(stored(tmp_path).engine, scheduling()).reap(clock()) == []


def test_what_a_killed_daemon_was_starting_is_started_again_without_counting(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule(retries=0))
    firings = Firings(store.engine, scheduling())
    firings.claim(clock.on(hours=1))
    firings.take(gone(HERE), clock())
    (freed,) = firings.reap(clock())
    assert (freed.state, freed.failures, freed.attempts) == ("waiting", 0, 0)
    assert _begun(firings, clock).attempts == 1


def test_a_run_that_lives_is_left_alone_and_one_elsewhere_has_a_lease(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule())
    firings = Firings(store.engine, scheduling(lease_seconds=60))
    firings.claim(clock.on(hours=1))
    begun = _begun(firings, clock)
    assert firings.reap(clock.on(hours=5)) == [], "it lives, however long it was silent"
    firings.conclude(begun.id, begun.token or "", DONE, clock())
    firings.claim(clock())
    ((taken, _),) = firings.take(HERE, clock())
    elsewhere = replace(HERE, machine="another")
    firings.begin(taken.id, taken.token or "", elsewhere, "log", clock())
    assert firings.reap(clock.on(seconds=59)) == []
    assert firings.beat(taken.id, taken.token or "", clock())
    assert firings.reap(clock.on(seconds=59)) == []
    assert len(firings.reap(clock.on(seconds=2))) == 1


def test_no_more_runs_side_by_side_than_allowed(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    for number in range(5):
        store.add(schedule(f"s{number}"))
    firings = Firings(store.engine, scheduling(at_once=2))
    firings.claim(clock.on(hours=1))
    taken = firings.take(HERE, clock())
    assert len(taken) == 2
    assert firings.take(HERE, clock()) == []
    assert len(firings.take(replace(HERE, machine="another"), clock())) == 2
    firings.conclude(taken[0][0].id, taken[0][0].token or "", DONE, clock())
    assert len(firings.take(HERE, clock())) == 1


def test_a_pause_starts_nothing_and_is_not_caught_up(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule())
    firings = Firings(store.engine, scheduling())
    firings.claim(clock.on(hours=1))
    store.pause("nightly")
    assert firings.take(HERE, clock()) == [], "what was claimed before the pause waits for its end"
    assert firings.claim(clock.on(hours=5, minutes=30)) == []
    assert store.resume("nightly", clock()).next_due == START + timedelta(hours=7)
    assert firings.claim(clock()) == []
    assert len(firings.take(HERE, clock())) == 1


def test_a_removed_schedule_leaves_its_history_and_its_name(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule())
    with pytest.raises(UsageError, match="already"):
        store.add(schedule())
    firings = Firings(store.engine, scheduling())
    firings.claim(clock.on(hours=1))
    store.remove("nightly", clock())
    assert states(firings.history("nightly")) == ["cancelled"]
    assert firings.take(HERE, clock()) == []
    with pytest.raises(UsageError, match="no schedule named 'nightly'"):
        store.get("nightly")
    store.add(schedule())
    assert len(firings.claim(clock())) == 1, "another schedule, with due times of its own"


def test_a_run_of_a_removed_schedule_ends_but_is_not_tried_again(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    store.add(schedule())
    firings = Firings(store.engine, scheduling())
    firings.claim(clock.on(hours=1))
    begun = _begun(firings, clock)
    store.remove("nightly", clock())
    ended = firings.conclude(begun.id, begun.token or "", FAILED, clock())
    assert ended is not None and ended.state == "failed"


def test_history_is_kept_so_long_and_no_longer(tmp_path: Path) -> None:
    store, clock = stored(tmp_path), Clock()
    kept = store.add(schedule())
    firings = Firings(store.engine, scheduling(history_kept=3))
    for _ in range(6):
        firings.claim(clock.on(hours=1))
        begun = _begun(firings, clock)
        firings.conclude(begun.id, begun.token or "", DONE, clock())
    firings.claim(clock.on(hours=1))
    assert len(firings.forget_old(kept)) == 3
    assert states(firings.history()) == ["done"] * 3 + ["waiting"]
    assert firings.claim(clock()) == [], "what is forgotten is not due again"
