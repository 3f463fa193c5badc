"""Marks of work on a version that a kill may cut short: a file each, locked as long as its process works.

A mark without a process behind it is what the next start looks for. Making, finding and removing one opens no database.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from hematovision.home import Home


class Work(BaseModel):
    """What was begun.

    Attributes:
        name: the registered model. version: its version, where there is one already.
        key: the tag `registration` of the MLflow run that a registration began.
        database: the setting `records.database` of whoever began it. policy: the promotion policy they went by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: Literal["registration", "verdict", "decision"]
    name: str
    version: str | None = None
    key: str | None = None
    database: str | None = None
    policy: dict[str, Any] | None = None


@contextmanager
def unfinished(home: Home, work: Work) -> Iterator[None]:
    """Keep a mark while something is done; it goes when that is done, and stays where it is killed or fails."""
    home.unfinished.mkdir(parents=True, exist_ok=True)
    mark = home.unfinished / f"{uuid4().hex}.json"
    with _made(home, mark, work):
        yield
        mark.unlink(missing_ok=True)


def abandoned(home: Home) -> Iterator[Work]:
    """What nobody works on any more, one after the other; a mark goes once the next one is asked for."""
    for mark in sorted(home.unfinished.glob("*.json")):
        with _claimed(home, mark) as file:
            if file is None:
                continue
            work = _read(file)
            if work is not None:
                yield work
            mark.unlink(missing_ok=True)


@contextmanager
def _one_at_a_time(home: Home) -> Iterator[None]:
    """Nobody claims a mark between its making and its lock."""
    with (home.databases / "unfinished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _made(home: Home, mark: Path, work: Work) -> IO[str]:
    with _one_at_a_time(home):
        file = mark.open("x", encoding="utf-8")
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(work.model_dump_json())
        file.flush()
    os.fsync(file.fileno())
    return file


@contextmanager
def _claimed(home: Home, mark: Path) -> Iterator[IO[str] | None]:
    """A mark under our own lock; None where its process lives, or somebody else has dealt with it."""
    with _one_at_a_time(home):
        file = mark.open(encoding="utf-8") if mark.exists() else None
        ours = file is not None and _lock(file)
    try:
        yield file if ours and mark.exists() else None
    finally:
        if file is not None:
            file.close()


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: IO[str]) -> Work | None:
    """None where a process was killed while it made the mark: then it had begun nothing else."""
    try:
        return Work.model_validate_json(file.read())
    except ValidationError:
        return None
