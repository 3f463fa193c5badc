"""Ed25519 keys of the people who decide: making, keeping, signing, verifying, and whose they are."""

import base64
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from hematovision.errors import GateRefused, HematoVisionError, UsageError
from hematovision.ledger import proof
from hematovision.ledger.records import Signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from hematovision.ledger.store import Ledger

KEY, PASSPHRASE = "HEMATOVISION_KEY", "HEMATOVISION_KEY_PASSPHRASE"


class Reviewer(BaseModel):
    """A person whose key the ledger knows; `public_key` is base64 of 32 bytes, `fingerprint` their SHA-256.

    `login` is `user:<login>` where whoever added the key said so: it tells a reviewer from who asked for a version.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    login: str | None = None
    roles: list[str]
    public_key: str
    fingerprint: str
    revoked: bool


class KeyRequest(BaseModel):
    """A public key with its owner's name, signed by the key: whoever adds it knows that the owner holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    public_key: str
    proof: str


def own_key_path() -> Path:
    """Where a person's private key lies: `$HEMATOVISION_KEY`, or below their own configuration folder."""
    named = os.environ.get(KEY)
    return Path(named).expanduser() if named else Path.home() / ".config" / "hematovision" / "key.pem"


def create_key(path: Path, passphrase: bytes | None) -> str:
    """Make a private key (PKCS8 PEM, mode 0600) and return its fingerprint; a key that is there is never replaced.

    Raises:
        UsageError: there is a file of that name.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private_key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_new(path, _pem(private_key, passphrase))
    return fingerprint(private_key)


def _pem(private_key: "Ed25519PrivateKey", passphrase: bytes | None) -> bytes:
    from cryptography.hazmat.primitives import serialization

    locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return private_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


def _write_new(path: Path, data: bytes) -> None:
    """A file that appears whole, on disk, and never over another."""
    partial = path.with_name(f".{path.name}.{os.urandom(8).hex()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
    except FileExistsError as error:
        raise UsageError(f"{path} exists; a key is never replaced. Name another file in ${KEY}.") from error
    finally:
        partial.unlink()


def load_key(path: Path, passphrase: bytes | None) -> "Ed25519PrivateKey":
    """A private key from its file.

    Raises:
        UsageError: it is missing, is no Ed25519 key, needs a passphrase or has another one.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private_key = load_pem_private_key(path.read_bytes(), passphrase or None)
    except FileNotFoundError as error:
        raise UsageError(f"There is no key at {path}: make one with `hematovision reviewers key NAME`.") from error
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(f"The key at {path} cannot be opened: {error} The passphrase is in ${PASSPHRASE}.") from error
    if not isinstance(private_key, Ed25519PrivateKey):
        raise UsageError(f"{path} holds a key of another kind; an Ed25519 key is needed.")
    return private_key


def public_key(private_key: "Ed25519PrivateKey") -> str:
    """The public half, base64 of 32 bytes."""
    return base64.b64encode(private_key.public_key().public_bytes_raw()).decode()


def fingerprint(private_key: "Ed25519PrivateKey") -> str:
    """SHA-256 of the public half, in hex."""
    return proof.fingerprint_of(public_key(private_key))


def sign_for(private_key: "Ed25519PrivateKey", purpose: bytes, message: bytes) -> str:
    """A signature (base64) of a message for one purpose of `proof`."""
    return base64.b64encode(private_key.sign(purpose + message)).decode()


def key_request(private_key: "Ed25519PrivateKey", name: str) -> KeyRequest:
    """What a person hands to whoever adds their key."""
    public = public_key(private_key)
    message = proof.canonical({"name": name, "public_key": public})
    return KeyRequest(name=name, public_key=public, proof=sign_for(private_key, proof.REQUEST, message))


def sign(private_key: "Ed25519PrivateKey", statement: Mapping[str, Any]) -> Signature:
    """Sign a statement (`records.statement` of the kind, subject and content of the record to be)."""
    message = proof.canonical(dict(statement))
    return Signature(
        fingerprint=fingerprint(private_key),
        statement_digest=hashlib.sha256(message).hexdigest(),
        value=sign_for(private_key, proof.STATEMENT, message),
    )


def verify(signature: Signature, statement: Mapping[str, Any], reviewer: Reviewer) -> None:
    """Make sure that a reviewer signed exactly this statement and may still sign.

    Raises:
        GateRefused: saying what does not hold.
    """
    message = proof.canonical(dict(statement))
    if reviewer.revoked:
        raise GateRefused(f"The key of {reviewer.name} is revoked.")
    if (
        signature.fingerprint != reviewer.fingerprint
        or proof.fingerprint_of(reviewer.public_key) != signature.fingerprint
    ):
        raise GateRefused(f"The signature is of another key than that of {reviewer.name}.")
    if signature.statement_digest != hashlib.sha256(message).hexdigest():
        raise GateRefused(f"The signature of {reviewer.name} belongs to another statement.")
    if not proof.is_signed(reviewer.public_key, proof.STATEMENT, message, signature.value):
        raise GateRefused(f"The signature is not that of {reviewer.name}.")


def reviewers(ledger: "Ledger") -> dict[str, Reviewer]:
    """Everyone who was ever added, by fingerprint, in order; revoked ones are marked.

    Raises:
        HematoVisionError: a key record does not hold; `hematovision audit verify` tells which.
    """
    people = ledger.keys().people.values()
    return {
        one.fingerprint: Reviewer(
            name=one.name,
            login=one.login, roles=list(one.roles), public_key=one.public_key, fingerprint=one.fingerprint,
            revoked=one.revoked,
        )
        for one in people
    }  # fmt: skip


def known_keys(records: "list[Mapping[str, Any]]") -> proof.Keys:
    """Who may sign after these key records.

    Raises:
        HematoVisionError: one of them does not hold.
    """
    keys = proof.Keys()
    for record in records:
        problem = keys.signature_problem(record) or keys.key_problem(record)
        if problem:
            raise HematoVisionError(
                f"Record {record['number']} of the ledger, about {record['subject']}, does not hold: {problem}. "
                "Run `hematovision audit verify`."
            )
        keys.follow(record["content"])
    return keys
