"""The content-addressed image store: bytes are kept once, under the name of their SHA-256."""

import hashlib
import os
import re
import uuid
from collections.abc import Iterable
from pathlib import Path

from hematovision.errors import HematoVisionError, UnreadableImage, UsageError

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ImageStore:
    """A folder of files named by the SHA-256 of their content, two hex digits a subfolder (as git keeps its objects).

    Safe for any number of threads and processes at once: a file appears under its name only when whole, and is
    checked against its name whenever it is read. Of a withdrawn image an empty file `HASH.withdrawn` stays, so that its
    bytes are not taken in again.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes, *, durable: bool = True) -> str:
        """Keep `data` and return its SHA-256 (64 lower-case hex digits).

        Durable when it returns: file and folder entry have reached the disk; with `durable=False` only after `sync`.
        Putting the same bytes again changes nothing; where the kept file turned out damaged it is replaced.
        UnreadableImage where the image was withdrawn.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        target = self.path(sha256)
        if _tombstone(target).exists():
            raise UnreadableImage("the image was withdrawn and erased here; it is not taken in again")
        if not _holds(target, sha256):
            _write(target, data, durable=durable)
        elif durable:
            _settle(target)
        return sha256

    def sync(self) -> None:
        """Make every earlier `put` durable: once for thousands of images, where a sync for each would take the time."""
        os.sync()

    def path(self, sha256: str) -> Path:
        """Where the bytes with this digest lie, or would lie. UsageError where `sha256` is no SHA-256."""
        if not _SHA256.fullmatch(sha256):
            raise UsageError(f"{sha256!r} is not a SHA-256 (64 lower-case hex digits)")
        return self.root / sha256[:2] / sha256

    def read(self, sha256: str) -> bytes:
        """The bytes with this digest, checked against it.

        HematoVisionError where they are missing or damaged; UsageError where `sha256` is no SHA-256.
        """
        path = self.path(sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            message = f"{path}: the image is missing from the store; read its source again to restore it"
            raise HematoVisionError(message) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise HematoVisionError(f"{path}: the stored image was altered; read its source again to restore it")
        return data

    def withdraw(self, sha256: str) -> bool:
        """Remove these bytes for good and refuse them from now on; durable when it returns. Whether they were there.

        UsageError where `sha256` is no SHA-256.
        """
        target = self.path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        _tombstone(target).touch()
        _sync(target.parent)
        there = target.exists()
        target.unlink(missing_ok=True)
        _sync(target.parent)
        return there

    def withdrawn(self) -> list[str]:
        """The digests of withdrawn images, in order."""
        return sorted(path.stem for path in self.root.glob("??/*.withdrawn"))

    def verify(self, digests: Iterable[str]) -> list[str]:
        """Those of `digests` whose bytes are missing or damaged, in the order given."""
        return [sha256 for sha256 in digests if not _holds(self.path(sha256), sha256)]


def _tombstone(target: Path) -> Path:
    return target.with_name(f"{target.name}.withdrawn")


def _holds(path: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except FileNotFoundError:
        return False


def _settle(target: Path) -> None:
    """Bring a file that was put without waiting for the disk, and its folders' entries, to the disk."""
    for path in (target, target.parent, target.parent.parent):
        _sync(path)


def _write(target: Path, data: bytes, *, durable: bool) -> None:
    partial = target.with_name(f".{uuid.uuid4().hex}.partial")
    descriptor = _create(partial)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if durable:
        for folder in (target.parent, target.parent.parent):
            _sync(folder)


def _create(path: Path) -> int:
    """A descriptor to write a new file that nobody may change later, in a folder that is made where it is missing."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, 0o444)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o444)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
