"""How an attempt ended, and a note of it that is written faster than the database can."""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        kind: `failed` may be tried again; `hopeless` failed and would again; `stopped` was asked to end and counts
            for nothing.
    """

    kind: Literal["done", "failed", "hopeless", "refused", "skipped", "stopped"]
    reason: str | None = None
    exit_code: int | None = None


def outcome_of(code: int) -> Outcome:
    """What an exit code of `hematovision` means; negative is the signal that ended it."""
    if code == 0:
        return Outcome("done", None, 0)
    if code == 2:
        return Outcome("hopeless", "wrong usage: the log says what", code)
    if code == 3:
        return Outcome("refused", "a gate refused the data or the model: the log says why", code)
    if code < 0:
        return Outcome("failed", f"the command was ended by signal {-code} ({signal.strsignal(-code)})", code)
    return Outcome("failed", f"the command failed with exit code {code}: the log says why", code)


def _note(log: str) -> Path:
    return Path(log).with_suffix(".ended")


def note_end(log: str, token: str, code: int) -> None:
    """Leave an exit code beside the log: a keeper killed while it waits for the database has said it all the same."""
    _note(log).write_text(f"{token} {code}")


def noted_end(log: str | None, token: str) -> Outcome | None:
    """What the keeper of an attempt had noted before it was killed, if it had."""
    if log is None or not _note(log).is_file():
        return None
    whose, _, code = _note(log).read_text().partition(" ")
    return outcome_of(int(code)) if whose == token and code else None


def forget_note(log: str | None) -> None:
    """Remove the note once the database knows."""
    if log is not None:
        _note(log).unlink(missing_ok=True)
