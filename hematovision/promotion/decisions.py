"""What a person decides about a version, and their signature: approve, reject, comment, override, roll back."""

import secrets
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hematovision.errors import UsageError
from hematovision.ledger.keys import Reviewer, sign
from hematovision.ledger.records import Record, Signature, statement
from hematovision.promotion.reviewed import ReviewedVersion

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Action = Literal["approve", "reject", "comment", "override", "rollback"]
DECISION: Literal["decision"] = "decision"
MEANINGS: Mapping[Action, str] = {
    "approve": "I approve this version for {purpose}.",
    "reject": "I reject this version for {purpose}.",
    "comment": "I comment on this version; I neither approve nor reject it.",
    "override": "I answer for this version although it failed the gate {gate}.",
    "rollback": "I make this version the champion again.",
}
LONGEST_REASON = 4000


class Content(BaseModel):
    """What is signed, beside the kind and the subject of the record.

    Attributes:
        model: NAME/VERSION. model_digest: of its package. verdict_digest: of the gates' verdict, or "".
        gate: the gate an override is about.
        name, role, login: of the person. meaning: the sentence they put their name under.
        time: when they signed, UTC. nonce: sets every signature apart from all others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Action
    model: str
    model_digest: str
    verdict_digest: str
    gate: str | None
    name: str
    role: str
    login: str
    meaning: str = Field(min_length=1, max_length=LONGEST_REASON)
    reason: str = Field(min_length=1, max_length=LONGEST_REASON)
    time: str
    nonce: str = Field(pattern=r"^[0-9a-f]{32}$")

    @field_validator("meaning", "reason")
    @classmethod
    def _can_be_read(cls, text: str) -> str:
        odd = {character for character in text if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")}
        if odd - set("\n\t") or not text.strip():
            raise ValueError("it has to be words, without control or invisible characters")
        return text


class SignedDecision(BaseModel):
    """A decision before it is recorded; travels as JSON, from a reviewer's machine or through a waiting pipeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str
    content: Content
    signature: Signature


class Decision(BaseModel):
    """A recorded decision; `number` and `recorded` are those of its record."""

    model_config = ConfigDict(frozen=True)

    number: int
    recorded: str
    content: Content
    fingerprint: str


def compose(
    reviewed: ReviewedVersion,
    reviewer: Reviewer,
    action: Action,
    *,
    role: str,
    reason: str,
    purpose: str,
    login: str,
    gate: str | None = None,
) -> Content:
    """The words of a decision about a version as it stands now.

    Raises:
        UsageError: the reason is empty, too long, or cannot be read.
    """
    try:
        return Content(
            action=action,
            model=reviewed.model,
            model_digest=reviewed.model_digest,
            verdict_digest=reviewed.verdict_digest,
            gate=gate,
            name=reviewer.name,
            role=role,
            login=login,
            meaning=MEANINGS[action].format(purpose=purpose, gate=gate),
            reason=reason,
            time=datetime.now(UTC).isoformat(timespec="microseconds"),
            nonce=secrets.token_hex(16),
        )
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise UsageError(f"This decision cannot be recorded: {problems}.") from error


def sign_decision(content: Content, key: "Ed25519PrivateKey") -> SignedDecision:
    """A person's signature under their words."""
    subject = f"model:{content.model}"
    said = statement(DECISION, subject, content.model_dump(mode="json"))
    return SignedDecision(subject=subject, content=content, signature=sign(key, said))


def signed_of(record: Record) -> SignedDecision | None:
    """The decision a record holds, or None where it is no decision that this version knows how to read."""
    try:
        content = Content.model_validate(record.content)
    except ValidationError:
        return None
    if record.signature is None:
        return None
    return SignedDecision(subject=record.subject, content=content, signature=record.signature)
