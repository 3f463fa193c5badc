"""What can be proven of a ledger with nothing but the standard library and `cryptography`.

Every export carries this file as `verify.py`, so an auditor's machine and `hematovision audit verify` judge alike.
Nothing here raises for what a record holds: whatever was done to it becomes a finding.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FIRST = "0" * 64
SIGNED_FIELDS = ("number", "time", "kind", "subject", "content", "actor", "signature", "unique", "previous")
TEXTS = ("time", "kind", "subject", "actor", "previous", "digest", "installation", "seal")
STATEMENT, SEAL, ANCHOR, REQUEST = (
    f"hematovision {what} v1\n".encode() for what in ("statement", "record", "head", "key request")
)
"""What a key signs begins with its purpose, so that no signature can stand in for one of another kind."""
ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written: a short code, the record's number where there is one, plain words."""

    code: str
    number: int | None
    says: str


@dataclass(frozen=True)
class Person:
    """A reviewer as the key records give them; `public_key` is base64 of 32 bytes."""

    name: str
    roles: tuple[str, ...]
    public_key: str
    fingerprint: str
    revoked: bool = False


def canonical(value: Any) -> bytes:
    """The one spelling of a JSON value: sorted keys, no spaces, UTF-8. ValueError where it has none."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def record_digest(record: Mapping[str, Any]) -> str:
    """The digest a record carries: over all its fields but itself, the digest of the record before included."""
    return digest_of({name: record[name] for name in SIGNED_FIELDS})


def statement(kind: str, subject: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """What a person signs: the part of a record that they decide."""
    return {"kind": kind, "subject": subject, "content": dict(content)}


def fingerprint_of(public_key: str) -> str:
    """SHA-256 of a public key's 32 bytes, in hex. ValueError where it is no key."""
    return hashlib.sha256(raw_key(public_key)).hexdigest()


def raw_key(public_key: str) -> bytes:
    """The 32 bytes of an Ed25519 public key written in base64. ValueError where it is none."""
    raw = _exact_base64(public_key)
    if len(raw) != 32:
        raise ValueError("an Ed25519 public key has 32 bytes")
    return raw


def _exact_base64(text: str) -> bytes:
    """Decoded bytes; only the one canonical spelling is taken, so that no second text means the same signature."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("not canonical base64")
    return raw


def is_signed(public_key: str, purpose: bytes, message: bytes, value: str) -> bool:
    """Whether `value` (base64) is this key's Ed25519 signature (RFC 8032) of the message for that purpose."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(raw_key(public_key)).verify(_exact_base64(value), purpose + message)
    except (InvalidSignature, ValueError, TypeError, binascii.Error):
        return False
    return True


@dataclass
class Keys:
    """Who may sign, as the key records so far say: installations by fingerprint, and people."""

    installations: dict[str, str] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)

    def administrators(self) -> list[Person]:
        """People who may add and revoke keys; while there is none, anyone at the machine may."""
        return [one for one in self.people.values() if ADMINISTRATOR in one.roles and not one.revoked]

    def signature_problem(self, record: Mapping[str, Any]) -> str | None:
        """Why a record's signature does not hold at this point of the ledger; None where it does."""
        signature = record["signature"]
        if signature is None:
            return "it carries no signature, and a decision needs one" if record["kind"] == "decision" else None
        person = self.people.get(signature["fingerprint"])
        if person is None:
            return f"its signer's key {signature['fingerprint'][:16]} was not known at that time"
        if person.revoked:
            return f"the key of {person.name} was revoked before"
        if record["actor"] != person.name:
            return f"it names {record['actor']} and is signed by {person.name}"
        message = canonical(statement(record["kind"], record["subject"], record["content"]))
        if signature["statement_digest"] != hashlib.sha256(message).hexdigest():
            return f"the signature of {person.name} belongs to another statement"
        if not is_signed(person.public_key, STATEMENT, message, signature["value"]):
            return f"the signature is not that of {person.name}"
        return None

    def key_problem(self, record: Mapping[str, Any]) -> str | None:
        """Why a key record may not be followed; None where it may. Call after `signature_problem`."""
        content = record["content"]
        action, public_key = content["action"], content.get("public_key")
        if record["subject"] != f"key:{content['fingerprint']}":
            return "it is about another key than its subject says"
        if action in ("installation", "add") and fingerprint_of(str(public_key)) != content["fingerprint"]:
            return "its fingerprint is not that of the key"
        if action == "installation":
            return None
        signer = self.people.get((record["signature"] or {}).get("fingerprint", ""))
        if self.administrators() and (signer is None or ADMINISTRATOR not in signer.roles):
            return "an administrator has to sign it, and none has"
        return self._add_problem(content) if action == "add" else self._revoke_problem(content)

    def _add_problem(self, content: Mapping[str, Any]) -> str | None:
        if content["fingerprint"] in {**self.people, **self.installations}:
            return "the key is known already"
        if any(one.name == content["name"] and not one.revoked for one in self.people.values()):
            return f"{content['name']} has another key that is still valid"
        request = canonical({"name": content["name"], "public_key": content["public_key"]})
        if not is_signed(content["public_key"], REQUEST, request, content["proof"]):
            return f"nothing proves that {content['name']} holds the key"
        return None

    def _revoke_problem(self, content: Mapping[str, Any]) -> str | None:
        if content["action"] != "revoke":
            return f"{content['action']!r} is nothing that can be done to a key"
        known = self.people.get(content["fingerprint"])
        return None if known and not known.revoked else "there is no such valid key"

    def follow(self, content: Mapping[str, Any]) -> None:
        """Take over what a key record says, once it has no problem."""
        fingerprint = content["fingerprint"]
        if content["action"] == "installation":
            self.installations[fingerprint] = content["public_key"]
        elif content["action"] == "add":
            roles = tuple(str(role) for role in content["roles"])
            self.people[fingerprint] = Person(content["name"], roles, content["public_key"], fingerprint)
        else:
            old = self.people[fingerprint]
            self.people[fingerprint] = Person(old.name, old.roles, old.public_key, fingerprint, revoked=True)
