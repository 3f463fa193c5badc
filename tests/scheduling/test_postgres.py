"""Schedules in PostgreSQL, looked at by daemons on several machines."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from hematovision.database import open_database
from hematovision.scheduling.firings import Firings
from hematovision.scheduling.outcome import Outcome
from hematovision.scheduling.processes import process
from hematovision.scheduling.store import ScheduleStore
from tests.scheduling.bench import Clock, gone, schedule, scheduling, states

HERE = process(os.getpid())


@pytest.fixture
def daemons(postgres: str) -> list[ScheduleStore]:
    """Eight of them, each with connections of its own."""
    return [ScheduleStore(open_database(postgres)) for _ in range(8)]


def test_a_due_time_is_claimed_and_taken_by_one_of_many(daemons: list[ScheduleStore]) -> None:
    clock, kept = Clock(), daemons[0].add(schedule())
    assert daemons[1].get(kept.name) == kept
    now = clock.on(minutes=61)
    firings = [Firings(store.engine, scheduling()) for store in daemons]
    with ThreadPoolExecutor(len(firings)) as threads:
        claimed = [one for found in threads.map(lambda one: one.claim(now), firings) for one in found]
        taken = [one for found in threads.map(lambda one: one.take(HERE, now), firings) for one in found]
    assert len(claimed) == len(taken) == 1
    assert states(firings[3].history()) == ["starting"]


def test_a_run_from_its_beginning_to_its_end(daemons: list[ScheduleStore]) -> None:
    clock, kept = Clock(), daemons[0].add(schedule())
    firings = Firings(daemons[1].engine, scheduling())
    firings.claim(clock.on(minutes=61))
    ((taken, _),) = firings.take(HERE, clock())
    begun = firings.begin(taken.id, taken.token or "", HERE, "log", clock())
    assert begun is not None and [one.id for one in firings.under_way()] == [begun.id]
    assert firings.hold_job(begun.id, begun.token or "", HERE) and firings.beat(begun.id, begun.token or "", clock())
    ended = firings.conclude(begun.id, begun.token or "", Outcome("done", exit_code=0), clock())
    assert ended is not None and ended.state == "done"
    assert firings.last_done(kept) == ended and firings.unfinished() == []


def test_a_lost_run_is_reaped_and_tried_again(daemons: list[ScheduleStore]) -> None:
    clock, _ = Clock(), daemons[0].add(schedule())
    firings = Firings(daemons[1].engine, scheduling())
    firings.claim(clock.on(minutes=61))
    ((taken, _),) = firings.take(gone(HERE), clock())
    firings.begin(taken.id, taken.token or "", gone(HERE), "log", clock())
    (reaped,) = Firings(daemons[2].engine, scheduling()).reap(clock.on(hours=1))
    assert reaped.id == taken.id and reaped.state == "waiting"
