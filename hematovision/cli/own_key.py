"""The private key of whoever runs a command, and its passphrase."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hematovision.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def load_own_key(path: Path | None) -> "Ed25519PrivateKey":
    """The key at a path, or at its standard place; asks for a passphrase on a terminal where one is needed.

    Raises:
        UsageError: there is no key, or it cannot be opened.
    """
    from hematovision.ledger import load_key, own_key_path
    from hematovision.ledger.keys import PASSPHRASE

    chosen = path or own_key_path()
    passphrase = os.environ.get(PASSPHRASE)
    locked = chosen.is_file() and b"ENCRYPTED" in chosen.read_bytes()[:80]
    if locked and passphrase is None and sys.stdin.isatty():
        passphrase = _asked(f"Passphrase of {chosen}: ")
    return load_key(chosen, passphrase.encode() if passphrase else None)


def new_passphrase(*, without: bool) -> bytes | None:
    """The passphrase of a key to be made: from the environment, asked for twice, or none where that was asked for.

    Raises:
        UsageError: there is nobody to ask, or the two differ.
    """
    from hematovision.ledger.keys import PASSPHRASE

    if without:
        return None
    given = os.environ.get(PASSPHRASE)
    if given is None:
        if not sys.stdin.isatty():
            raise UsageError(f"Give the key's passphrase in ${PASSPHRASE}, or make one with --no-passphrase.")
        given = _asked("Passphrase of the new key: ")
        if given != _asked("Once more: "):
            raise UsageError("The two passphrases differ; nothing was made.")
    if not given:
        raise UsageError("An empty passphrase protects nothing; if that is meant, say --no-passphrase.")
    return given.encode()


def _asked(question: str) -> str:
    import getpass

    return getpass.getpass(question, stream=sys.stderr)
