"""One attempt of one firing, in a process of its own: it begins, asks the conditions, keeps the command, says how it
ended. It needs no daemon any more once it has begun."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

from hematovision.errors import HematoVisionError
from hematovision.scheduling.conditions import Questions, ask
from hematovision.scheduling.firings import Firings
from hematovision.scheduling.outcome import Outcome, forget_note, note_end, outcome_of
from hematovision.scheduling.processes import Process, process, wait_for_end
from hematovision.scheduling.schedule import Firing, Schedule, shown_command
from hematovision.scheduling.settings import SchedulingSettings
from hematovision.scheduling.store import ScheduleStore

Clock = Callable[[], datetime]
LOOK_SECONDS = 0.5
GATE = Path(__file__).with_name("gate.py")


class Job(Protocol):
    """A command that waits to be let go."""

    pid: int

    def go(self) -> None:
        """Let it begin."""

    def wait(self, seconds: float) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""


Start = Callable[[Sequence[str], Path, str, Mapping[str, str]], Job]


class GatedCommand:
    """A program behind a gate that opens when its process number is on disk."""

    def __init__(self, command: Sequence[str], log: Path, folder: str, environment: Mapping[str, str]) -> None:
        with log.open("ab") as stream:
            self._popen: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GATE), str(os.getpid()), *command],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                cwd=folder,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def go(self) -> None:
        """Open the gate."""
        pipe: IO[bytes] | None = self._popen.stdin
        if pipe:
            try:
                pipe.write(b"\n")
                pipe.close()
            except BrokenPipeError:
                pass  # it was killed at the gate; its exit code says so

    def wait(self, seconds: float) -> int | None:
        """Its exit code once it has ended."""
        wait_for_end(self.pid, seconds)
        return self._popen.poll()


@dataclass
class Keeper:
    """Looks after one attempt.

    Attributes:
        program: what comes before a schedule's command.
        start: how a command becomes a process.
        clock: the time that is written down; how long things take is measured, not asked of it.
    """

    store: ScheduleStore
    settings: SchedulingSettings
    questions: Questions
    program: Sequence[str]
    logs: Path
    clock: Clock
    start: Start = GatedCommand
    look_seconds: float = LOOK_SECONDS
    _told_to_stop: bool = field(default=False, init=False)

    def perform(self, number: str, token: str) -> Firing | None:
        """The whole attempt; None where it is somebody else's by now."""
        signal.signal(signal.SIGTERM, self._stop)
        firings = Firings(self.store.engine, self.settings)
        log = self._log(firings.get(number))
        firing = firings.begin(number, token, process(os.getpid()), str(log), self.clock())
        if firing is None:
            return None
        outcome = self._attempt(firings, firing, token, log)
        ended = self._conclude(firings, number, token, outcome) if outcome else None
        forget_note(str(log))
        return ended

    def _conclude(self, firings: Firings, number: str, token: str, outcome: Outcome) -> Firing | None:
        """Write down how it ended, with patience: work that is done shall not be done again for a busy database."""
        from sqlalchemy.exc import OperationalError

        deadline = time.monotonic() + self.settings.lease_seconds
        while True:
            try:
                return firings.conclude(number, token, outcome, self.clock())
            except OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(self.look_seconds)

    def _stop(self, *_: object) -> None:
        self._told_to_stop = True

    def _log(self, firing: Firing) -> Path:
        folder = self.logs / firing.schedule
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{firing.due.strftime('%Y%m%dT%H%M%SZ')}-{firing.id[:8]}.log"

    def _attempt(self, firings: Firings, firing: Firing, token: str, log: Path) -> Outcome | None:
        schedule = self.store.by_id(firing.schedule_id)
        if schedule is None:
            return Outcome("skipped", "the schedule was removed")
        try:
            refusal = self._refused(firings, firing, schedule)
        except HematoVisionError as error:
            return Outcome("failed", f"its conditions cannot be told: {error}")
        if refusal:
            return Outcome("skipped", refusal)
        self._head(log, firing, schedule)
        try:
            job = self.start([*self.program, *schedule.command], log, schedule.folder, _environment(firing))
            held = process(job.pid)
        except (OSError, ProcessLookupError) as error:
            return Outcome("failed", f"the command could not be started in {schedule.folder}: {error}")
        if not firings.hold_job(firing.id, token, held):
            held.end_group()
            return None
        job.go()
        return self._keep(firings, firing, token, job, held, log)

    def _refused(self, firings: Firings, firing: Firing, schedule: Schedule) -> str | None:
        if firing.cause == "person":
            return None
        last = firings.last_done(schedule)
        finding = ask(schedule, last.begun if last else None, self.questions)
        return None if finding.met else finding.says

    def _head(self, log: Path, firing: Firing, schedule: Schedule) -> None:
        with log.open("a", encoding="utf-8") as stream:
            stream.write(
                f"== {schedule.name}, due {firing.due.isoformat()}, attempt {firing.attempts}, "
                f"{self.clock().isoformat(timespec='seconds')}: {shown_command(schedule.command)}\n"
            )

    def _keep(self, firings: Firings, firing: Firing, token: str, job: Job, held: Process, log: Path) -> Outcome | None:
        """Wait for the command, beating; end it where it may not go on."""
        begun = heard = time.monotonic()
        while (code := job.wait(self.look_seconds)) is None:
            now = time.monotonic()
            if self._told_to_stop:
                _end(job, held, self.settings.stop_seconds)
                return Outcome("stopped", "the scheduler was told to stop")
            if now - begun > self.settings.longest_run_seconds:
                _end(job, held, self.settings.stop_seconds)
                return Outcome("failed", f"it took longer than {self.settings.longest_run_seconds:g} s")
            if now - heard > self.settings.lease_seconds / 4:
                beaten = self._beat(firings, firing, token)
                if beaten is False or now - heard > self.settings.lease_seconds / 2:
                    held.end_group()  # by now somebody else may have been given it
                    return None
                heard = now if beaten else heard
        note_end(str(log), token, code)
        return outcome_of(code)

    def _beat(self, firings: Firings, firing: Firing, token: str) -> bool | None:
        """Whether the attempt still has its say; None where the database cannot be reached."""
        from sqlalchemy.exc import OperationalError

        try:
            return firings.beat(firing.id, token, self.clock())
        except OperationalError:
            return None


def _environment(firing: Firing) -> dict[str, str]:
    """What a command may know; each attempt of a firing has the same `HEMATOVISION_FIRING`."""
    return {"HEMATOVISION_SCHEDULE": firing.schedule, "HEMATOVISION_FIRING": firing.id}


def _end(job: Job, held: Process, patience: float) -> None:
    held.end_group(signal.SIGTERM)
    deadline = time.monotonic() + patience
    while job.wait(LOOK_SECONDS) is None and time.monotonic() < deadline:
        pass
    held.end_group()
    job.wait(patience)
