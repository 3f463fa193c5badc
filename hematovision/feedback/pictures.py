"""Where pictures of predictions and corrections lie: a content-addressed folder, or any store fsspec reaches."""

import hashlib
from pathlib import Path
from typing import Any, Protocol

from hematovision.data.store import ImageStore
from hematovision.errors import HematoVisionError, UsageError


class PictureStore(Protocol):
    """Bytes under the name of their SHA-256."""

    def put(self, data: bytes, *, durable: bool = True) -> str:
        """Keep bytes and return their SHA-256; durable when it returns, unless told otherwise."""
        ...

    def read(self, sha256: str) -> bytes:
        """The bytes with this digest, checked against it; HematoVisionError where missing or damaged."""
        ...

    def withdraw(self, sha256: str) -> bool:
        """Remove the bytes with this digest; whether they were there."""
        ...


class RemotePictures:
    """Pictures below a URL; when bytes are durable is the store's affair: object stores answer only then.

    A picture is written in one request under a name made of its digest alone, and read back before it is called kept.
    """

    def __init__(self, filesystem: Any, root: str) -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")

    def put(self, data: bytes, *, durable: bool = True) -> str:
        """Keep bytes and return their SHA-256; with `durable` they are read back and compared."""
        sha256 = hashlib.sha256(data).hexdigest()
        if durable and self._holds(sha256):
            return sha256
        place = self._place(sha256)
        self._filesystem.makedirs(place.rpartition("/")[0], exist_ok=True)
        self._filesystem.pipe_file(place, data)
        if durable and not self._holds(sha256):
            raise HematoVisionError(
                f"The picture store did not keep {sha256}; look at the store named in feedback.pictures."
            )
        return sha256

    def read(self, sha256: str) -> bytes:
        """The bytes with this digest, checked against it; HematoVisionError where missing or damaged."""
        try:
            data = bytes(self._filesystem.cat_file(self._place(sha256)))
        except FileNotFoundError as error:
            raise HematoVisionError(f"The picture {sha256} is missing from the picture store.") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise HematoVisionError(f"The picture {sha256} was altered in the picture store.")
        return data

    def withdraw(self, sha256: str) -> bool:
        """Remove the bytes with this digest; whether they were there. Older versions a store keeps stay there."""
        there = bool(self._filesystem.exists(self._place(sha256)))
        if there:
            self._filesystem.rm_file(self._place(sha256))
        return there

    def _holds(self, sha256: str) -> bool:
        try:
            return len(self.read(sha256)) > 0
        except HematoVisionError:
            return False

    def _place(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"


def open_pictures(setting: str | None, default: Path) -> PictureStore:
    """The store that a setting names: a folder, a URL as fsspec takes it, or the default folder for None.

    Raises:
        UsageError: there is no such kind of store here.
    """
    if setting is None or "://" not in setting:
        return ImageStore(Path(setting).expanduser().resolve() if setting else default)
    if setting.startswith("file://"):
        return ImageStore(Path(setting.removeprefix("file://")))
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(setting)
    except (ImportError, ValueError) as error:
        raise UsageError(
            f"feedback.pictures names {setting.split('://')[0]}://…, which cannot be opened here: {error}"
        ) from error
    return RemotePictures(filesystem, root)
