"""Kill daemons, keepers and commands of the scheduler at random moments: is a run lost, is one doubled?

    python -m benchmarks.scheduler_kills --kills 200 [--daemons-only] [--seed N] [--json]

The store is a sqlite file, or an empty database that HEMATOVISION_DATABASE names.

Two daemons share one store; four schedules are due every second of a clock that runs twenty times as fast as the real
one. Every process is forked from a warm one, so that a kill costs milliseconds. A command writes one line when it
begins and one when it ends, and holds a lock meanwhile that a second run of its schedule would find taken.

An exact count is possible where only daemons are killed: every firing's command begins once and ends once. A command
that is itself killed is begun again, even after its last line if it was killed between that and the note of its end: no
scheduler can tell those apart, which is why every attempt is told the same HEMATOVISION_FIRING.
"""

import argparse
import fcntl
import json
import os
import random
import signal
import stat
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from hematovision.config import load_config
from hematovision.database import open_database, writing
from hematovision.scheduling.daemon import Daemon
from hematovision.scheduling.firings import Firings
from hematovision.scheduling.gate import end_with_parent
from hematovision.scheduling.processes import Process, process, wait_for_end
from hematovision.scheduling.run import Keeper
from hematovision.scheduling.schedule import Firing, Schedule
from hematovision.scheduling.settings import SchedulingSettings
from hematovision.scheduling.store import ScheduleStore
from hematovision.scheduling.tables import SCHEDULES

EPOCH = datetime(2026, 6, 1, tzinfo=UTC)
BORN = time.monotonic()
SPEED = 20
SCHEDULE_COUNT = 4


def clock() -> datetime:
    """A time that all processes share and that runs fast."""
    return EPOCH + timedelta(seconds=(time.monotonic() - BORN) * SPEED)


def settings() -> SchedulingSettings:
    """Quick attempts, plenty of them, and a history to the end; a lease plays no part on one machine."""
    changes = {"at_once": 3, "backoff_seconds": 0.1, "longest_backoff_seconds": 1, "lease_seconds": 100_000}
    changes["history_kept"] = 1_000_000
    return SchedulingSettings.model_validate({**load_config().scheduling.model_dump(), **changes})


def store(folder: Path) -> ScheduleStore:
    """A connection of one's own, made after a fork."""
    return ScheduleStore(
        open_database(os.environ.get("HEMATOVISION_DATABASE") or f"sqlite:///{folder / 'schedules.db'}")
    )


def close_sockets() -> None:
    """What a new program would not inherit: a connection held by a child would outlive its killed owner."""
    for handle in range(3, 256):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(handle).st_mode):
                os.close(handle)


class Forked:
    """A child process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        if self._code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if ended else None
        return self._code

    def terminate(self) -> None:
        """Ask it to end."""
        os.kill(self.pid, signal.SIGTERM)


class ForkedJob(Forked):
    """A command behind a gate, without a new interpreter."""

    def __init__(self, _command: Sequence[str], _log: Path, folder: str, environment: Mapping[str, str]) -> None:
        inside, self._outside = os.pipe()
        keeper, pid = os.getpid(), os.fork()
        if pid == 0:
            close_sockets()
            os.setsid()
            end_with_parent(keeper)
            work(inside, Path(folder), environment)
        os.close(inside)
        super().__init__(pid)

    def go(self) -> None:
        """Open the gate."""
        with suppress(BrokenPipeError):
            os.write(self._outside, b"\n")

    def wait(self, seconds: float) -> int | None:
        """Its exit code once it has ended."""
        wait_for_end(self.pid, seconds)
        return self.poll()


def work(gate: int, folder: Path, environment: Mapping[str, str]) -> None:
    """The command: two lines in a file, and a lock in between."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if not os.read(gate, 1):
        os._exit(0)
    lines = os.open(folder / "lines", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    lock = os.open(folder / environment["HEMATOVISION_SCHEDULE"], os.O_WRONLY | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.write(lines, f"overlap {environment['HEMATOVISION_FIRING']}\n".encode())
    os.write(lines, f"begin {environment['HEMATOVISION_FIRING']}\n".encode())
    time.sleep(random.Random(os.getpid()).uniform(0, 0.2))
    os.write(lines, f"end {environment['HEMATOVISION_FIRING']}\n".encode())
    os._exit(0)


def keep(firing: Firing, folder: Path) -> None:
    """One attempt, in a process of its own."""
    close_sockets()
    os.setsid()
    keeper = Keeper(store(folder), settings(), {}, ["job"], folder / "logs", clock, ForkedJob, look_seconds=0.01)
    keeper.perform(firing.id, firing.token or "")
    os._exit(0)


def serve(folder: Path) -> int:
    """A daemon in a process of its own, until it is killed."""
    pid = os.fork()
    if pid:
        return pid
    close_sockets()
    os.setsid()

    def launch(firing: Firing, _: Path) -> Forked:
        child = os.fork()
        if child == 0:
            keep(firing, folder)
        return Forked(child)

    daemon = Daemon(store(folder), settings(), launch, folder / "logs", clock, lambda _: None)
    while True:
        daemon.tick()
        time.sleep(0.005)


def set_up(folder: Path) -> None:
    """The schedules."""
    kept = store(folder)
    for number in range(SCHEDULE_COUNT):
        rule = {"interval_seconds": 1.0, "created": EPOCH, "next_due": EPOCH + timedelta(seconds=1)}
        given = {"command": ("job",), "folder": str(folder), "retries": 100}
        kept.add(Schedule(id=uuid4().hex, name=f"schedule-{number}", **rule, **given))


def victims(firings: Firings, daemons: list[int], daemons_only: bool) -> list[tuple[str, int]]:
    """Who may be killed now."""
    found = [("daemon", pid) for pid in daemons]
    if daemons_only:
        return found
    for firing in firings.under_way():
        if firing.state == "running" and firing.machine and firing.pid and firing.started:
            found += [("keeper", firing.pid)] * Process(firing.machine, firing.pid, firing.started).lives()
            found += [("command", firing.job_pid)] if firing.job_pid else []
    return found


def kill_at_random(folder: Path, kills: int, seed: int, daemons_only: bool) -> Counter[str]:
    """Kill so many times; a killed daemon is started again at once."""
    chance = random.Random(seed)
    kept = store(folder)
    firings = Firings(kept.engine, settings())
    daemons = [serve(folder) for _ in range(2)]
    killed: Counter[str] = Counter()
    while sum(killed.values()) < kills:
        time.sleep(chance.uniform(0.05, 0.5))
        candidates = victims(firings, daemons, daemons_only)
        kind = chance.choice(sorted({kind for kind, _ in candidates}))
        pid = chance.choice([pid for candidate, pid in candidates if candidate == kind])
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed[kind] += 1
        if kind == "daemon":
            os.waitpid(pid, 0)
            daemons[daemons.index(pid)] = serve(folder)
    with writing(kept.engine) as connection:
        connection.execute(SCHEDULES.update().values(next_due=None))
    deadline = time.monotonic() + 60
    while firings.unfinished() and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in daemons:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return killed


def judge(folder: Path) -> dict[str, Any]:
    """What is on disk afterwards: what was due, and what was done about it."""
    kept = store(folder)
    found = Firings(kept.engine, settings()).history(most=1_000_000)
    lines = [line.split() for line in (folder / "lines").read_text().splitlines()]
    said = {word: Counter(number for kind, number in lines if kind == word) for word in ("begin", "end", "overlap")}
    done = [firing for firing in found if firing.state == "done"]
    lost = 0
    for schedule in kept.all():
        own = sorted((firing for firing in found if firing.schedule_id == schedule.id), key=lambda firing: firing.due)
        last = own[-1].due + timedelta(seconds=own[-1].merged - 1)
        lost += schedule.dues(EPOCH + timedelta(seconds=1), last, 1_000_000) - sum(firing.merged for firing in own)
    return {
        "firings": len(found),
        "states": dict(Counter(firing.state for firing in found)),
        "due_times_lost": lost,
        "done_without_an_end": sum(said["end"][firing.id] == 0 for firing in done),
        "ends_beyond_the_first": sum(count - 1 for count in said["end"].values()),
        "begun_more_often_than_noted": sum(said["begin"][firing.id] > firing.attempts for firing in found),
        "begun_more_than_once": sum(said["begin"][firing.id] > 1 for firing in found),
        "overlaps": sum(said["overlap"].values()),
        "attempts": sum(firing.attempts for firing in found),
    }


def main() -> int:
    """The measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--daemons-only", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    process(os.getpid())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        set_up(folder)
        started = time.monotonic()
        killed = kill_at_random(folder, chosen.kills, chosen.seed, chosen.daemons_only)
        found = {"kills": dict(killed), **judge(folder), "seconds": round(time.monotonic() - started, 1)}
    if chosen.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{key.replace('_', ' '):<30}{value}" for key, value in found.items()))
    wrong = found["due_times_lost"] or found["done_without_an_end"] or found["overlaps"]
    unfinished = set(found["states"]) - {"done", "skipped"}
    return int(bool(wrong or unfinished or found["begun_more_often_than_noted"]))


if __name__ == "__main__":
    sys.exit(main())
