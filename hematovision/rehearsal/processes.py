"""The commands and processes of a rehearsal: started as a user starts them, and stopped whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from hematovision.rehearsal.story import WentWrong
from hematovision.rehearsal.workplace import Workplace

# -P: a folder that happens to hold a module of ours is not imported from.
PROGRAM = (sys.executable, "-P", "-m", "hematovision")
LOOK_SECONDS = 0.2
KILL_AFTER_SECONDS = 5.0


def end(process: "subprocess.Popen[bytes]", patience: float) -> None:
    """Ask a process that leads a session to end, then end all that is left of the session."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with suppress(ProcessLookupError, PermissionError):  # none of them is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Commands:
    """`hematovision` commands that come to an end."""

    def __init__(self, place: Workplace, patience: float) -> None:
        self._place = place
        self._patience = patience
        self._numbers = count(1)

    def log(self, name: str) -> Path:
        """A new file for what something says."""
        return self._place.logs / f"{next(self._numbers):02d}-{name}.log"

    def run(self, *words: str, then: tuple[str, ...] = (), config: bool = True) -> dict[str, Any]:
        """The document a command prints.

        Args:
            then: further words, behind the options every command is given. config: whether it takes --config.

        Raises:
            WentWrong: it failed, or took longer than patience allows.
        """
        log = self.log("-".join(words[:2]).replace("/", "-"))
        chosen = ("--config", str(self._place.config)) if config else ()
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [*PROGRAM, *words, *chosen, "--json", *then],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._place.root,
                env=self._place.environment(),
                start_new_session=True,
            )
        try:
            told, _ = process.communicate(timeout=self._patience)
        except subprocess.TimeoutExpired as error:
            raise WentWrong(f"`{' '.join(words[:2])}` took longer than {self._patience:g} s.", log=log) from error
        finally:
            end(process, KILL_AFTER_SECONDS)
        return _document(words, told, process.returncode, log)


def _document(words: tuple[str, ...], told: bytes, code: int, log: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(told.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise WentWrong(f"`{' '.join(words[:2])}` ended with {code} and no document.", log=log) from error
    if code:
        reason = document.get("error", {}).get("message", "it says why in its log.")
        raise WentWrong(f"`{' '.join(words[:2])}` ended with {code}: {reason}", log=log, exit_code=code)
    return document


class Standing:
    """A `hematovision` process that runs until it is told to stop."""

    def __init__(self, place: Workplace, log: Path, *words: str, patience: float) -> None:
        """Start it and wait for the document it prints once it is ready.

        Raises:
            WentWrong: it ended instead, or was not ready in time.
        """
        self._log, self._name = log, words[0]
        told = log.with_suffix(".json")
        with log.open("wb") as errors, told.open("wb") as output:
            self._process = subprocess.Popen(
                [*PROGRAM, *words, "--config", str(place.config), "--json"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd=place.root,
                env=place.environment(),
                start_new_session=True,
            )
        try:
            self.document = self._ready(told, patience)
        except BaseException:
            self.stop()
            raise

    def _ready(self, told: Path, patience: float) -> dict[str, Any]:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            text = told.read_bytes()
            if text.endswith(b"\n"):
                return _document((self._name,), text, self._process.poll() or 0, self._log)
            self.check()
            time.sleep(LOOK_SECONDS)
        raise WentWrong(f"`{self._name}` was not ready after {patience:g} s.", log=self._log)

    def check(self) -> None:
        """WentWrong where it no longer runs."""
        if (code := self._process.poll()) is not None:
            raise WentWrong(f"`{self._name}` ended with {code}.", log=self._log)

    def stop(self, patience: float = 90.0) -> None:
        """Tell it to end, and end it."""
        end(self._process, patience)
