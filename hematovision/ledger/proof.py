"""What can be proven of a ledger with nothing but the standard library and `cryptography`.

Every export carries this file as `verify.py`, so an auditor's machine and `hematovision audit verify` judge alike.
Nothing here raises for what a record holds: whatever was done to it becomes a finding.
"""

import base64
import binascii
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

FORMAT = 1
FIRST = "0" * 64
SIGNED_FIELDS = ("number", "time", "kind", "subject", "content", "actor", "signature", "unique", "previous")
TEXTS = ("time", "kind", "subject", "actor", "previous", "digest", "installation", "seal")
FIELDS = {*SIGNED_FIELDS, "digest", "installation", "seal"}
SIGNATURE = {"fingerprint", "statement_digest", "value"}
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
    login: str | None = None


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
            self.people[fingerprint] = Person(
                content["name"], roles, content["public_key"], fingerprint, login=content.get("login")
            )
        else:
            old = self.people[fingerprint]
            self.people[fingerprint] = replace(old, revoked=True)


def shape_problem(row: Any) -> str | None:
    """Why something is no record at all; None where it is one."""
    if not isinstance(row, Mapping) or row.keys() != FIELDS:
        return "it does not have the fields of a record"
    wrong = [name for name in TEXTS if not isinstance(row[name], str)]
    if not isinstance(row["number"], int) or isinstance(row["number"], bool) or row["number"] < 1:
        wrong.append("number")
    if not isinstance(row["content"], Mapping):
        wrong.append("content")
    if not isinstance(row["unique"], str | None):
        wrong.append("unique")
    signature = row["signature"]
    if signature is not None and not (
        isinstance(signature, Mapping)
        and signature.keys() == SIGNATURE
        and all(isinstance(value, str) for value in signature.values())
    ):
        wrong.append("signature")
    return f"{', '.join(wrong)}: not what stands in a record" if wrong else None


class Chain:
    """Goes through records in their order and keeps what it finds.

    Args:
        anchor: where the installation says that the ledger ends.
        shared: other installations may write too.
    """

    def __init__(self, anchor: Mapping[str, Any] | None = None, *, shared: bool = False) -> None:
        self.findings: list[Finding] = []
        self.keys = Keys()
        self.count, self.number, self.digest = 0, 0, FIRST
        self.artifacts: list[tuple[int, str, str, str | None]] = []
        self._anchor, self._shared = anchor, shared
        self._anchored: str | None = FIRST if anchor and anchor.get("number") == 0 else None
        self._signatures: dict[tuple[str, str], int] = {}

    def add(self, row: Any) -> None:
        """Judge the next record."""
        self.count += 1
        problem = shape_problem(row)
        if problem:
            self._find("shape", self.number + 1, f"what follows record {self.number} is no record: {problem}")
            return
        number, before = row["number"], len(self.findings)
        self._check_order(row)
        self._check_digest(row)
        try:
            self._check_seal(row)
            self._check_person(row, sound=len(self.findings) == before)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._find("content", number, f"record {number}, a {row['kind']}, cannot be read: {error!r}")
        self.artifacts += named_artifacts(number, row["content"])
        self.number, self.digest = number, row["digest"]
        if self._anchor and number == self._anchor.get("number"):
            self._anchored = row["digest"]

    def _find(self, code: str, number: int | None, says: str) -> None:
        self.findings.append(Finding(code, number, says))

    def _check_order(self, row: Mapping[str, Any]) -> None:
        number = row["number"]
        if number > self.number + 1:
            missing = (
                f"record {self.number + 1} is"
                if number == self.number + 2
                else (f"records {self.number + 1} to {number - 1} are")
            )
            self._find("missing", number, f"{missing} missing: somebody removed what happened there")
        elif number <= self.number:
            self._find("order", number, f"record {number} stands after record {self.number}: repeated or moved")
        if row["previous"] != self.digest:
            self._find("chain", number, f"record {number} does not follow the one before it: one of them was replaced")

    def _check_digest(self, row: Mapping[str, Any]) -> None:
        try:
            true = record_digest(row) == row["digest"]
        except (ValueError, RecursionError):
            true = False
        if not true:
            number = row["number"]
            self._find(
                "digest",
                number,
                f"record {number}, a {row['kind']} of {row['subject']}, was altered after it was written",
            )

    def _check_seal(self, row: Mapping[str, Any]) -> None:
        number, mark, content = row["number"], row["installation"], row["content"]
        introduces = (
            row["kind"] == "key" and content.get("action") == "installation" and content.get("fingerprint") == mark
        )
        public_key = content["public_key"] if introduces else self.keys.installations.get(mark)
        if introduces and self.keys.installations and not self._shared:
            self._find(
                "installation", number, f"record {number} brings in a second installation: the key was exchanged"
            )
        if public_key is None:
            self._find("seal", number, f"record {number} was not written by a known installation of HematoVision")
        elif not is_signed(public_key, SEAL, row["digest"].encode(), row["seal"]):
            self._find("seal", number, f"record {number} lacks the seal of the installation: it was written past it")

    def _check_person(self, row: Mapping[str, Any], *, sound: bool) -> None:
        number = row["number"]
        problem = self.keys.signature_problem(row)
        if problem is None and row["kind"] == "key":
            problem = self.keys.key_problem(row)
            if problem is None and sound:
                self.keys.follow(row["content"])
        if problem:
            self._find(
                "signature",
                number,
                f"record {number}, a {row['kind']} about {row['subject']}, does not hold: {problem}",
            )
        if row["signature"]:
            used = (row["signature"]["fingerprint"], row["signature"]["statement_digest"])
            earlier = self._signatures.setdefault(used, number)
            if earlier != number:
                self._find(
                    "signature", number, f"record {number} repeats the signature of record {earlier}, given once"
                )

    def end(self) -> list[Finding]:
        """Everything found, once the last record was added."""
        if self._anchor is not None:
            self._check_anchor(self._anchor)
        return self.findings

    def _check_anchor(self, anchor: Mapping[str, Any]) -> None:
        number, digest, mark = anchor.get("number"), anchor.get("digest"), anchor.get("installation")
        if not isinstance(number, int) or not isinstance(digest, str) or not isinstance(mark, str):
            self._find("anchor", None, "the anchor, which says where the ledger ends, was altered")
            return
        public_key = self.keys.installations.get(mark)
        if self.count and public_key is None and number:
            self._find("anchor", None, "the anchor, which says where the ledger ends, is of an unknown installation")
        message = canonical({"number": number, "digest": digest})
        if public_key and not is_signed(public_key, ANCHOR, message, str(anchor.get("seal"))):
            self._find("anchor", None, "the anchor, which says where the ledger ends, lacks the installation's seal")
        if number > self.number:
            says = f"the ledger ends at record {self.number} and was acknowledged up to {number}: its end was cut off"
            self._find("truncated", self.number, says)
        elif self._anchored != digest:
            self._find("anchor", number, f"record {number} is not the one acknowledged: the ledger was rewritten")


def named_artifacts(number: int, content: Mapping[str, Any]) -> list[tuple[int, str, str, str | None]]:
    """The artifacts a record names: (record, name, SHA-256, URI or None)."""
    named = content.get("artifacts")
    found: list[tuple[int, str, str, str | None]] = []
    for name, about in named.items() if isinstance(named, Mapping) else ():
        if isinstance(about, Mapping):
            found.append((number, str(name), str(about.get("sha256")), about.get("uri")))
        else:
            found.append((number, str(name), str(about), None))
    return found


def spelled_differently(line: bytes, row: Any) -> bool:
    """Whether a line says the same as a record without being its one spelling."""
    try:
        return canonical(row) != line
    except (ValueError, RecursionError):
        return True


def read_line(chain: Chain, line: bytes) -> Any:
    """One exported line as a record; what cannot be read is found."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if spelled_differently(line, row):
        chain.findings.append(Finding("spelling", None, f"line {chain.count + 1} is not spelled as it was exported"))
    return row


def check_lines(lines: Iterable[bytes], anchor: Mapping[str, Any] | None, *, shared: bool) -> Chain:
    """Judge exported records, one JSON document a line."""
    chain = Chain(anchor, shared=shared)
    for line in lines:
        chain.add(read_line(chain, line))
    chain.end()
    return chain


def check_continues(earlier: Iterable[bytes], later: Iterable[bytes]) -> list[Finding]:
    """Whether an earlier export is the beginning of a later one: even whoever holds every key cannot rewrite that."""
    for number, (old, new) in enumerate(zip_rest(earlier, later), 1):
        if old != new:
            what = "is missing now" if new is None else "was another one in the earlier export"
            return [Finding("rewritten", number, f"record {number} {what}: the ledger was rewritten since")]
    return []


def zip_rest(earlier: Iterable[bytes], later: Iterable[bytes]) -> Iterable[tuple[bytes, bytes | None]]:
    """Every line of the earlier export with its counterpart."""
    rest = iter(later)
    return ((line, next(rest, None)) for line in earlier)


def read_archive(path: Path) -> dict[str, bytes]:
    """The files of an export, read into memory; nothing is unpacked. ValueError where a name stands twice."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(set(names)) != len(names):
            raise ValueError("a file stands in the archive twice")
        return {name: archive.read(name) for name in names}


def keys_document(keys: Keys) -> dict[str, Any]:
    """The public keys as an export lists them."""
    people = [{**vars(person), "roles": list(person.roles)} for person in keys.people.values()]
    return {"installations": keys.installations, "reviewers": people}


def artifacts_document(artifacts: Iterable[tuple[int, str, str, str | None]]) -> list[dict[str, Any]]:
    """The artifacts that records name, as an export lists them."""
    return [dict(zip(("record", "name", "sha256", "uri"), artifact, strict=True)) for artifact in artifacts]


def export_document(chain: Chain, anchor: Mapping[str, Any] | None, *, shared: bool) -> dict[str, Any]:
    """What an export says of itself."""
    return {"format": FORMAT, "records": chain.number, "head": chain.digest, "shared": shared, "anchor": anchor}


def check_files(files: Mapping[str, bytes], recorded: set[str]) -> list[Finding]:
    """Whether every artifact in an export is one that was recorded, with the digest that is its name."""
    found = []
    for name, data in files.items():
        if not name.startswith("artifacts/"):
            continue
        _, mark, *rest = name.split("/")
        listed = json.loads(files.get(f"artifacts/{mark}/digests.json", b"{}"))
        expected = listed.get("/".join(rest)) if rest and rest != ["digests.json"] else mark
        if mark not in recorded or hashlib.sha256(data).hexdigest() != expected:
            found.append(Finding("artifact", None, f"{name} is not the file that was recorded"))
    return found


def check_archive(path: Path, earlier: Path | None = None) -> Chain:
    """Judge an export, and whether it goes on from an earlier one."""
    files = read_archive(path)
    about = json.loads(files["export.json"])
    if about["format"] != FORMAT:
        raise ValueError(f"format {about['format']!r} is not {FORMAT}: take the script from the archive")
    lines = files["records.jsonl"].splitlines()
    chain = check_lines(lines, about["anchor"], shared=about["shared"] is True)
    expected = {
        "export.json": export_document(chain, about["anchor"], shared=about["shared"] is True),
        "keys.json": keys_document(chain.keys),
        "artifacts.json": artifacts_document(chain.artifacts),
    }
    for name, document in expected.items():
        if files[name] != canonical(document):
            chain.findings.append(Finding("export", None, f"{name} does not say what the records say"))
    if about["anchor"] is None:
        chain.findings.append(Finding("anchor", None, "the export has no anchor: nothing says where the ledger ended"))
    chain.findings += check_files(files, {digest for _, _, digest, _ in chain.artifacts})
    if earlier is not None:
        chain.findings += check_continues(read_archive(earlier)["records.jsonl"].splitlines(), lines)
    return chain


def main(arguments: list[str]) -> int:
    """`python verify.py EXPORT.zip [EARLIER.zip]`: 0 everything holds, 3 something was found, 2 wrong usage."""
    if len(arguments) not in (1, 2) or arguments[0].startswith("-"):
        sys.stderr.write("usage: python verify.py EXPORT.zip [EARLIER.zip]\n")
        return 2
    try:
        chain = check_archive(*(Path(argument) for argument in arguments))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile) as error:
        sys.stdout.write(f"This is no export that can be read, or not any more: {error!r}\n")
        return 3
    for one in chain.findings:
        sys.stdout.write(f"FOUND  {one.says}\n")
    sys.stdout.write(f"{chain.count} records, the last is {chain.number} with digest {chain.digest}\n")
    for mark in chain.keys.installations:
        sys.stdout.write(f"sealed by installation {mark}\n")
    for person in chain.keys.people.values():
        state = "revoked" if person.revoked else "valid"
        sys.stdout.write(f"key {person.fingerprint}  {state}  {person.name} ({', '.join(person.roles)})\n")
    sys.stdout.write(f"{len(chain.findings)} findings\n" if chain.findings else "Everything holds.\n")
    return 3 if chain.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
