"""Which process is meant, and whether it still lives: a number alone is given to others in time."""

import os
import platform
import select
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process for good: its number, when it was started, and where numbers count from.

    Attributes:
        machine: host, its boot and its space of process numbers; the same number elsewhere is another process.
        started: clock ticks since boot on Linux, else the text `ps` gives; only ever compared.
    """

    machine: str
    pid: int
    started: str

    @property
    def here(self) -> bool:
        """Whether this process can tell if that one lives."""
        return self.machine == this_machine()

    def lives(self) -> bool:
        """Whether it runs on this machine; one that ended and was not yet collected does not."""
        return self.here and started(self.pid) == self.started

    def end_group(self, number: int = signal.SIGKILL) -> None:
        """Signal every process of the session it led, itself included; nothing where its number is another's now."""
        now = started(self.pid)
        if not self.here or now not in (None, self.started):
            return
        with suppress(ProcessLookupError, PermissionError):  # all of them may have ended
            os.killpg(self.pid, number)


@cache
def this_machine() -> str:
    """This host, this boot of it, and this container."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    parts = [platform.node()]
    if boot.exists() and space.is_symlink():
        parts += [boot.read_text().strip(), str(space.readlink())]
    return "/".join(parts)


def started(pid: int) -> str | None:
    """When a process was started, in an unchanging form; None where there is none, or it only waits to be collected."""
    record = Path("/proc") / str(pid) / "stat"
    if not Path("/proc/self/stat").exists():
        return _started_by_ps(pid)
    try:
        fields = record.read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def _started_by_ps(pid: int) -> str | None:
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C", **os.environ})
    state, _, since = told.stdout.strip().partition(" ")
    return None if not since or state.startswith("Z") else since.strip()


def process(pid: int) -> Process:
    """A process of this machine, as it is now.

    Raises:
        ProcessLookupError: there is none of this number.
    """
    since = started(pid)
    if since is None:
        raise ProcessLookupError(f"no process {pid}")
    return Process(this_machine(), pid, since)


def wait_for_end(child: int, seconds: float) -> None:
    """Sleep until a child ends, and no longer than so many seconds; its exit code is left for the caller to collect."""
    if not hasattr(os, "pidfd_open"):
        time.sleep(min(seconds, 0.05))
        return
    try:
        handle = os.pidfd_open(child)
    except ProcessLookupError:
        return
    try:
        select.select([handle], [], [], seconds)
    finally:
        os.close(handle)
