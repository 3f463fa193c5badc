"""The embedded engine: looks at the clock, claims what is due, starts runs, takes over what was left behind."""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from hematovision.scheduling.firings import Firings
from hematovision.scheduling.health import register_daemon, unregister_daemon
from hematovision.scheduling.outcome import Outcome, forget_note
from hematovision.scheduling.processes import process
from hematovision.scheduling.run import Clock
from hematovision.scheduling.schedule import Firing, Schedule
from hematovision.scheduling.settings import SchedulingSettings
from hematovision.scheduling.store import ScheduleStore

LOG = logging.getLogger(__name__)


class Run(Protocol):
    """The process of an attempt, as the one that started it sees it."""

    pid: int

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""

    def terminate(self) -> None:
        """Ask it to end."""


Launch = Callable[[Firing, Path], Run]


def launcher(program: Sequence[str]) -> Launch:
    """Starts an attempt as a program of its own, which outlives the daemon.

    Args:
        program: given the firing's id and token as last arguments; it calls `Keeper.perform`.
    """

    def launch(firing: Firing, log: Path) -> Run:
        with log.open("ab") as stream:
            return subprocess.Popen(
                [*program, firing.id, firing.token or ""],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    return launch


@dataclass
class Daemon:
    """One of any number of daemons on a store.

    Attributes:
        launch: starts the process of an attempt.
        logs: a folder a schedule, a file a firing; what a run says before it begins goes to `starting.log`.
        clock: the time, in UTC.
        say: told of each thing that happened, in a sentence.
    """

    store: ScheduleStore
    settings: SchedulingSettings
    launch: Launch
    logs: Path
    clock: Clock
    say: Callable[[str], None] = LOG.info
    _runs: dict[str, tuple[Firing, Run]] = field(default_factory=dict, init=False)
    _beaten: datetime | None = field(default=None, init=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        self.firings = Firings(self.store.engine, self.settings)
        self.process = process(os.getpid())

    def tick(self) -> None:
        """Everything there is to do now."""
        self._beat()
        self._collect()
        for firing in self.firings.reap(self.clock()):
            self.say(f"{_named(firing)}: {firing.reason}; now {firing.state}")
        for firing in self.firings.claim(self.clock()):
            caught_up = f", standing for {firing.merged} that were missed" if firing.merged > 1 else ""
            self.say(f"{_named(firing)} is {firing.state}{caught_up}{': ' + firing.reason if firing.reason else ''}")
        for firing, schedule in self.firings.take(self.process, self.clock()):
            self.start(firing, schedule)

    def _beat(self) -> None:
        now = self.clock()
        if self._beaten is None or (now - self._beaten).total_seconds() > self.settings.lease_seconds / 4:
            register_daemon(self.store.engine, self.process, now)
            self._beaten = now

    def start(self, firing: Firing, schedule: Schedule) -> Run | None:
        """Start the process of a firing that was taken."""
        self._forget(schedule)
        folder = self.logs / firing.schedule
        folder.mkdir(parents=True, exist_ok=True)
        try:
            run = self.launch(firing, folder / "starting.log")
        except OSError as error:
            outcome = Outcome("failed", f"its process could not be started: {error}")
            self.firings.conclude(firing.id, firing.token or "", outcome, self.clock())
            return None
        self._runs[firing.id] = (firing, run)
        return run

    def _forget(self, schedule: Schedule) -> None:
        for old in self.firings.forget_old(schedule):
            forget_note(old.log)
            if old.log:
                Path(old.log).unlink(missing_ok=True)

    def _collect(self) -> None:
        """Let go of the processes that ended; one that never began is a failure nobody else would tell."""
        for number, (firing, run) in list(self._runs.items()):
            if (code := run.poll()) is None:
                continue
            del self._runs[number]
            outcome = Outcome("failed", f"its process ended with code {code} before it began; see starting.log", code)
            self.firings.conclude(number, firing.token or "", outcome, self.clock(), ("starting",))
            ended = self.firings.get(number)
            self.say(f"{_named(ended)} is {ended.state}{': ' + ended.reason if ended.reason else ''}")

    def serve(self) -> None:
        """Tick until told to stop by SIGTERM or SIGINT; then wait for the runs, end those that take too long, leave."""
        from apscheduler.schedulers.background import BackgroundScheduler

        for told in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told, lambda *_: self._stopping.set())
        timer = BackgroundScheduler(timezone="UTC")
        first = datetime.now(UTC)
        timer.add_job(self.tick, "interval", seconds=self.settings.tick_seconds, coalesce=True, next_run_time=first)
        timer.start()
        self._stopping.wait()
        timer.shutdown(wait=True)
        self.leave()

    def leave(self) -> None:
        """Wait for the runs of this daemon, then ask them to end; who ends so is started again by the next daemon."""
        self._wait(self.settings.stop_seconds)
        for _, run in self._runs.values():
            run.terminate()
        self._wait(self.settings.stop_seconds + self.settings.lease_seconds)
        unregister_daemon(self.store.engine, self.process)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._runs and time.monotonic() < deadline:
            self._collect()
            time.sleep(min(0.1, self.settings.tick_seconds))


def _named(firing: Firing) -> str:
    return f"{firing.schedule} due {firing.due.isoformat(timespec='seconds')}"
