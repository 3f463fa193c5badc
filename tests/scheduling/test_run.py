"""One attempt: the command behind its gate, how it ended, when it may not go on."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hematovision.errors import HematoVisionError
from hematovision.scheduling.conditions import Finding, Questions
from hematovision.scheduling.firings import Firings
from hematovision.scheduling.outcome import note_end
from hematovision.scheduling.processes import process
from hematovision.scheduling.run import GatedCommand, Job, Keeper
from hematovision.scheduling.schedule import Firing
from hematovision.scheduling.store import ScheduleStore
from tests.scheduling.bench import Clock, gone, schedule, scheduling, stored

SAYS = [sys.executable, "-c", "import os, sys; print('firing', os.environ['HEMATOVISION_FIRING']); sys.exit({})"]


@pytest.fixture(autouse=True)
def _own_handler() -> Any:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


class Attempt:
    """A schedule that is due, and a keeper for it."""

    def __init__(self, tmp_path: Path, questions: Questions | None = None, **values: Any) -> None:
        self.store, self.clock, self.logs = stored(tmp_path), Clock(), tmp_path / "logs"
        self.settings = scheduling(stop_seconds=5)
        self.questions = questions or {}
        self.store.add(schedule(folder=str(tmp_path), **values))
        self.firings = Firings(self.store.engine, self.settings)
        self.firings.claim(self.clock.on(hours=1))
        ((self.taken, _),) = self.firings.take(process(os.getpid()), self.clock())

    def perform(self, code: int = 0, **changes: Any) -> Firing:
        program = [part.format(code) for part in SAYS]
        given = {"questions": self.questions, "program": program, "logs": self.logs, "clock": self.clock, **changes}
        Keeper(self.store, given.pop("settings", self.settings), **given).perform(self.taken.id, self.taken.token or "")
        return self.firings.get(self.taken.id)


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [
        (0, "done", None),
        (1, "waiting", "exit code 1"),
        (2, "failed", "wrong usage"),
        (3, "refused", "gate"),
    ],
)
def test_an_exit_code_is_an_end(tmp_path: Path, code: int, state: str, reason: str | None) -> None:
    attempt = Attempt(tmp_path)
    ended = attempt.perform(code)
    assert (ended.state, ended.exit_code, ended.attempts) == (state, code, 1)
    assert reason is None or reason in (ended.reason or "")
    log = Path(ended.log or "").read_text()
    assert "== nightly, due 2026-06-01T13:00:00+00:00, attempt 1" in log and f"firing {ended.id}" in log
    assert [path.suffix for path in (tmp_path / "logs" / "nightly").iterdir()] == [".log"]


def test_a_command_killed_by_the_system_is_tried_again(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path)
    killer = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    ended = attempt.perform(program=killer)
    assert (ended.state, ended.exit_code) == ("waiting", -9) and "Killed" in (ended.reason or "")


def test_conditions_that_do_not_hold_skip_the_run_and_say_why(tmp_path: Path) -> None:
    asked: list[datetime | None] = []

    def few(limit: float, since: datetime | None) -> Finding:
        asked.append(since)
        return Finding(limit <= 3, f"3 of {limit:g} accepted")

    conditions = [{"name": "accepted_feedback", "limit": 20}]
    attempt = Attempt(tmp_path, {"accepted_feedback": few}, conditions=conditions)
    ended = attempt.perform()
    assert (ended.state, ended.reason, ended.failures) == ("skipped", "3 of 20 accepted", 0)
    assert asked == [None]
    assert not Path(ended.log or "").exists(), "nothing was run"


@pytest.mark.parametrize(("any_condition", "state"), [(False, "skipped"), (True, "done")])
def test_all_conditions_or_any(tmp_path: Path, any_condition: bool, state: str) -> None:
    questions = {
        "drift_alarm": lambda *_: Finding(True, "drift"),
        "champion_older_than_days": lambda *_: Finding(False, "young"),
    }
    conditions = [{"name": "drift_alarm"}, {"name": "champion_older_than_days", "limit": 30}]
    attempt = Attempt(tmp_path, questions, conditions=conditions, any_condition=any_condition)
    assert attempt.perform().state == state


def test_a_condition_counts_from_the_last_run_that_ended_well(tmp_path: Path) -> None:
    asked: list[datetime | None] = []

    def note(_: float, since: datetime | None) -> Finding:
        asked.append(since)
        return Finding(True, "yes")

    attempt = Attempt(tmp_path, {"drift_alarm": note}, conditions=[{"name": "drift_alarm"}])
    begun = attempt.perform().begun
    attempt.firings.claim(attempt.clock.on(hours=1))
    ((attempt.taken, _),) = attempt.firings.take(process(os.getpid()), attempt.clock())
    attempt.perform()
    assert asked == [None, begun]


def test_conditions_that_cannot_be_told_are_a_failure_not_a_yes(tmp_path: Path) -> None:
    def broken(*_: Any) -> Finding:
        raise HematoVisionError("the registry does not answer")

    ended = Attempt(tmp_path, {"drift_alarm": broken}, conditions=[{"name": "drift_alarm"}]).perform()
    assert ended.state == "waiting" and "registry does not answer" in (ended.reason or "")


def test_a_person_is_not_asked_for_conditions(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, {"drift_alarm": lambda *_: Finding(False, "no")}, conditions=[{"name": "drift_alarm"}])
    attempt.perform()
    asked = attempt.firings.ask_for(attempt.store.get("nightly"), attempt.clock.on(minutes=1))
    ((attempt.taken, _),) = attempt.firings.take(process(os.getpid()), attempt.clock(), only=asked.id)
    assert attempt.perform().state == "done"


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path)
    attempt.store._change(attempt.store.get("nightly"), folder=str(tmp_path / "gone"))
    ended = attempt.perform()
    assert ended.state == "waiting" and str(tmp_path / "gone") in (ended.reason or "")


class Endless:
    """A command that ends only when its process does; `each` is called whenever somebody looks."""

    def __init__(self, each: Callable[[], None]) -> None:
        self._popen = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
        self.pid, self._each = self._popen.pid, each

    def go(self) -> None:
        pass

    def wait(self, _: float) -> int | None:
        self._each()
        return self._popen.poll()

    @property
    def code(self) -> int:
        """How it ended."""
        return self._popen.wait(10)


def _endless(each: Callable[[], None]) -> tuple[list[Endless], Callable[..., Job]]:
    jobs: list[Endless] = []

    def start(*_: Any) -> Job:
        jobs.append(Endless(each))
        return jobs[-1]

    return jobs, start


def test_a_run_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path)
    jobs, start = _endless(lambda: None)
    ended = attempt.perform(start=start, settings=scheduling(longest_run_seconds=0.01, stop_seconds=5))
    assert ended.state == "waiting" and "longer than 0.01 s" in (ended.reason or "")
    assert jobs[0].code == -signal.SIGTERM


def test_a_run_told_to_stop_is_started_again_without_counting(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, retries=0)
    jobs, start = _endless(lambda: os.kill(os.getpid(), signal.SIGTERM))
    ended = attempt.perform(start=start)
    assert (ended.state, ended.failures) == ("waiting", 0)
    assert jobs[0].code == -signal.SIGTERM


def test_a_run_that_lost_its_say_ends_its_command(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path)

    def somebody_else_took_it() -> None:
        ScheduleStore(attempt.store.engine).remove("nightly", attempt.clock())
        with attempt.store.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE scheduling_firings SET token = 'another'")

    jobs, start = _endless(somebody_else_took_it)
    hasty = scheduling().model_copy(update={"lease_seconds": 0})
    ended = attempt.perform(start=start, settings=hasty)
    assert (ended.state, ended.token) == ("running", "another"), "what is another's is left as it is"
    assert jobs[0].code == -signal.SIGKILL


def test_the_end_of_a_command_is_known_though_its_keeper_was_killed_before_it_was_stored(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path)
    log = str(tmp_path / "x.log")
    attempt.firings.begin(attempt.taken.id, attempt.taken.token or "", gone(process(os.getpid())), log, attempt.clock())
    note_end(log, attempt.taken.token or "", 0)
    (ended,) = attempt.firings.reap(attempt.clock())
    assert (ended.state, ended.exit_code) == ("done", 0)
    assert not (tmp_path / "x.ended").exists()


def test_a_gate_opens_only_when_told_to(tmp_path: Path) -> None:
    done = tmp_path / "done"
    command = [sys.executable, "-c", f"open({str(done)!r}, 'w')"]
    never = GatedCommand(command, tmp_path / "log", str(tmp_path), {})
    if never._popen.stdin:
        never._popen.stdin.close()  # what the system does when the keeper is killed
    assert never.wait(20) == 0 and not done.exists()
    told = GatedCommand(command, tmp_path / "log", str(tmp_path), {})
    told.go()
    assert told.wait(20) == 0 and done.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_command_does_not_outlive_its_keeper(tmp_path: Path) -> None:
    keeper = (
        "import os, sys, signal; from pathlib import Path; from hematovision.scheduling.run import GatedCommand;"
        f"job = GatedCommand([sys.executable, '-c', 'import time; time.sleep(60)'], Path({str(tmp_path / 'log')!r}),"
        f" {str(tmp_path)!r}, {{}}); job.go(); print(job.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    told = subprocess.run([sys.executable, "-c", keeper], capture_output=True, text=True, check=False)
    assert told.returncode == -signal.SIGKILL
    handle = os.pidfd_open(int(told.stdout)) if process_lives(int(told.stdout)) else None
    if handle is not None:
        import select

        assert select.select([handle], [], [], 20)[0], "still there after 20 s"


def process_lives(pid: int) -> bool:
    try:
        process(pid)
    except ProcessLookupError:
        return False
    return True
