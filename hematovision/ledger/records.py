"""What a record is, and what may stand in one."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from hematovision.errors import UsageError
from hematovision.ledger import proof

Kind = Literal[
    "validation", "training", "evaluation", "registration", "verdict", "decision", "promotion", "rollback",
    "deployment", "feedback", "retrain", "erasure", "key", "alarm",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
LONGEST_CONTENT = 1 << 20
LONGEST_NAME = 500
_SUBJECT = re.compile(r"ledger|[a-z][a-z-]*:[^\x00-\x1f\x7f]+")
_ACTOR = re.compile(r"[^\x00-\x1f\x7f]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
ERASURE = {"image", "reason", "removed", "models", "request"}


class Signature(BaseModel):
    """A person's Ed25519 signature of a statement: whose key, the statement's SHA-256, the signature in base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    statement_digest: str
    value: str


class Record(BaseModel):
    """One entry of the ledger; nothing in it ever changes.

    Attributes:
        number: 1, 2, 3, … without a gap.
        time: UTC, ISO 8601 with microseconds.
        subject: what it is about, such as `model:NAME/VERSION` or `image:SHA256`.
        content: JSON; no picture, no secret. `artifacts {name: {sha256, uri}}` are files that have to stay as they are.
        actor: `system`, `user:<login>`, or the name of the reviewer who signed.
        unique: the idempotency key it was written under.
        previous: digest of the record before; 64 zeros for the first.
        digest: SHA-256 over the canonical JSON of all the above.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    time: str
    kind: Kind
    subject: str
    content: dict[str, Any]
    actor: str
    signature: Signature | None
    unique: str | None
    previous: str
    digest: str


def statement(kind: Kind, subject: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """What a person signs of a record: everything they decide. Put a nonce or the time into the content."""
    return proof.statement(kind, subject, content)


def now() -> str:
    """The time as records carry it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def moment(text: str) -> str:
    """A date or time a person wrote, as records carry it; a time without a zone is UTC.

    Raises:
        UsageError: it is neither.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no date or time: write 2026-01-31 or 2026-01-31T14:00:00+01:00.") from error
    zoned = read if read.tzinfo else read.replace(tzinfo=UTC)
    return zoned.astimezone(UTC).isoformat(timespec="microseconds")


def plain_content(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content as it will be read back from JSON.

    Raises:
        UsageError: it has no JSON (NaN, bytes), or is longer than 1 MiB.
    """
    try:
        spelled = proof.canonical(dict(content))
        if len(spelled) > LONGEST_CONTENT:
            raise UsageError(f"A record holds at most {LONGEST_CONTENT} bytes of JSON: record a digest of it instead.")
        plain: dict[str, Any] = json.loads(spelled)
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"A record's content has to be JSON: {error}") from error
    return plain


def check_names(kind: str, subject: str, actor: str, unique: str | None) -> None:
    """Refuse what could not be read back or looked up.

    Raises:
        UsageError: naming what is wrong.
    """
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is no kind of record: {', '.join(KINDS)}.")
    _check_text("subject", subject, _SUBJECT, "`model:NAME/VERSION` or another word with a colon, or `ledger`")
    _check_text("actor", actor, _ACTOR, "a name without control characters")
    if unique is not None:
        _check_text("idempotency key", unique, _ACTOR, "a text without control characters")


def _check_text(what: str, text: str, pattern: re.Pattern[str], wanted: str) -> None:
    try:
        length = len(text.encode())
    except UnicodeEncodeError as error:
        raise UsageError(f"A record's {what} is no text: {error}") from error
    if length > LONGEST_NAME or not pattern.fullmatch(text):
        raise UsageError(f"A record's {what} has to be {wanted}, of at most {LONGEST_NAME} bytes: {text[:80]!r}.")


def check_artifacts(content: Mapping[str, Any]) -> None:
    """Refuse artifacts that could never be verified.

    Raises:
        UsageError: `artifacts` is not {name: {sha256, uri}} or {name: sha256}.
    """
    artifacts = content.get("artifacts", {})
    for about in artifacts.values() if isinstance(artifacts, Mapping) else [None]:
        digest, uri = (about.get("sha256"), about.get("uri")) if isinstance(about, Mapping) else (about, "")
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest) or not isinstance(uri, str | None):
            raise UsageError("A record's artifacts are {name: {sha256: 64 hex digits, uri: where}} or {name: sha256}.")


def check_erasure(subject: str, content: Mapping[str, Any]) -> None:
    """An erasure keeps the hash of what is gone, why, and what was touched by it; nothing that names the picture.

    Raises:
        UsageError: it holds more.
    """
    digest = subject.removeprefix("image:")
    if not _SHA256.fullmatch(digest) or content.get("image", digest) != digest or content.keys() - ERASURE:
        raise UsageError(f"An erasure is about image:SHA256 and holds only {', '.join(sorted(ERASURE))}.")
