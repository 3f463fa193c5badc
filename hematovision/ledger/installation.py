"""What this installation keeps outside the database: its own key, and where the ledger ends."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hematovision.errors import HematoVisionError, UsageError
from hematovision.ledger import proof
from hematovision.ledger.keys import create_key, load_key, sign_for

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Anchor(BaseModel):
    """The last record that was acknowledged, sealed by the installation: a shorter ledger was cut off.

    `number` is 0 and `digest` 64 zeros before the first record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    digest: str
    installation: str
    seal: str


def anchor_message(number: int, digest: str) -> bytes:
    """What the seal of an anchor is made over."""
    return proof.canonical({"number": number, "digest": digest})


class Installation:
    """The key that seals every record, and the file that says where the ledger ends.

    The key is of the machine, not of a person: a record without its seal was not written by HematoVision.
    """

    def __init__(self, key: Path, anchor: Path) -> None:
        self.key_path, self.anchor_path = key, anchor
        self._key: Ed25519PrivateKey | None = None

    @property
    def exists(self) -> bool:
        """Whether this installation has ever written."""
        return self.key_path.exists()

    def key(self) -> "Ed25519PrivateKey":
        """The installation's private key, made at the first use."""
        if self._key is None:
            if not self.exists:
                self._create()
            self._key = load_key(self.key_path, None)
        return self._key

    def _create(self) -> None:
        try:
            create_key(self.key_path, None)
        except UsageError:
            if not self.exists:  # another process made it at the same moment
                raise

    def anchor(self) -> Anchor | None:
        """Where the ledger ends, or None where nothing was written yet.

        Raises:
            HematoVisionError: the file is no anchor any more.
        """
        try:
            return Anchor.model_validate_json(self.anchor_path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise HematoVisionError(
                f"{self.anchor_path} does not say where the ledger ends any more; restore it from a backup."
            ) from error

    def advance(self, number: int, digest: str) -> None:
        """Move the anchor on, never back; it is on disk when this returns."""
        with self._alone():
            now = self.anchor()
            if now is None or now.number < number:
                self._write(self._sealed(number, digest))

    def _sealed(self, number: int, digest: str) -> dict[str, Any]:
        key = self.key()
        from hematovision.ledger.keys import fingerprint

        seal = sign_for(key, proof.ANCHOR, anchor_message(number, digest))
        return {"number": number, "digest": digest, "installation": fingerprint(key), "seal": seal}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.anchor_path.parent.mkdir(parents=True, exist_ok=True)
        with self.anchor_path.with_name(f"{self.anchor_path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, anchor: dict[str, Any]) -> None:
        partial = self.anchor_path.with_name(f"{self.anchor_path.name}.partial")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(anchor, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.anchor_path)
        folder = os.open(self.anchor_path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
