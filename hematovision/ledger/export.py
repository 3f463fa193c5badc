"""One archive that an auditor can verify far away from HematoVision, with the script inside."""

import io
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from hematovision.errors import HematoVisionError, UsageError
from hematovision.ledger import proof
from hematovision.ledger.store import Ledger
from hematovision.ledger.verification import verify_ledger

FilesOf = Callable[[str], Mapping[str, Path]]
"""The files of an artifact: a file under the empty name, those of a package under theirs."""
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
README = """\
An export of a HematoVision ledger
==================================

records.jsonl    every record, one JSON document a line, in order
export.json      how many records, the digest of the last, and the installation's sealed anchor
keys.json        public keys: of installations (they seal every record) and of reviewers (they sign decisions)
artifacts.json   files that records name, with their SHA-256; those included lie in artifacts/
verify.py        checks all of this; needs Python 3.11 and the package `cryptography`, nothing else

    pip install cryptography
    python -I verify.py EXPORT.zip
    python -I verify.py EXPORT.zip EARLIER.zip     (does this export go on from an earlier one?)

Take verify.py from a source you trust rather than from the archive where the archive itself is in doubt; it is
hematovision/ledger/proof.py of the program's source. Exit code 0: everything holds; 3: something was found.

What a clean answer means: no record was altered, removed, added, repeated or moved since it was written; each was
written by the installation whose fingerprint is printed; each decision was signed by the person named, with a key that
was known and valid at that moment. Compare the printed fingerprints, and the digest of the last record, with what you
were told by another way. Whoever holds the installation's private key and every copy could write another history: an
earlier export, kept elsewhere, shows that.

A record's digest is the SHA-256 of its canonical JSON (sorted keys, no spaces, UTF-8) without the fields digest,
installation and seal. A seal is an Ed25519 signature of "hematovision record v1\\n" and the digest in hex; that of a
reviewer is one of "hematovision statement v1\\n" and the canonical JSON of kind, subject and content.
"""


class Exported(BaseModel):
    """What an archive holds.

    Attributes:
        records: number of the last record. head: its digest.
        included: artifacts whose files are in it. left_out: those that are missing or could not be read, by URI.
        findings: what verification found in the ledger itself; the script finds it again.
    """

    model_config = ConfigDict(frozen=True)

    records: int
    head: str
    included: int
    left_out: list[str]
    findings: int


def export_ledger(ledger: Ledger, target: Path, *, files_of: FilesOf | None = None) -> Exported:
    """Write the archive, whole or not at all; the same records give the same bytes.

    Args:
        files_of: the files of an artifact by its URI; without it the archive holds their digests alone.

    Raises:
        UsageError: there is nothing to export, or the archive cannot be written.
    """
    verified = verify_ledger(ledger)
    if not verified.rows:
        raise UsageError("The ledger is empty: there is nothing to export.")
    chain = verified.chain
    artifacts = proof.artifacts_document(chain.artifacts)
    included, left_out = _collected(artifacts, files_of) if files_of else ({}, [])
    named = {
        "README.txt": README.encode(),
        "verify.py": files("hematovision.ledger").joinpath("proof.py").read_bytes(),
        "export.json": proof.canonical(proof.export_document(chain, verified.anchor, shared=ledger.shared)),
        "keys.json": proof.canonical(proof.keys_document(chain.keys)),
        "artifacts.json": proof.canonical(artifacts),
        "records.jsonl": b"".join(proof.canonical(row) + b"\n" for row in verified.rows),
    }
    _write(target, {**named, **dict(_contents(included))})
    return Exported(
        records=chain.number,
        head=chain.digest,
        included=len(included),
        left_out=left_out,
        findings=len(verified.findings),
    )


def _collected(artifacts: list[dict[str, Any]], files_of: FilesOf) -> tuple[dict[str, Mapping[str, Path]], list[str]]:
    """The files of every artifact that can be had, by its SHA-256; and the URIs of the others."""
    found: dict[str, Mapping[str, Path]] = {}
    left_out = []
    for artifact in artifacts:
        if artifact["uri"] is None or artifact["sha256"] in found:
            continue
        try:
            found[artifact["sha256"]] = files_of(artifact["uri"])
        except HematoVisionError:
            left_out.append(artifact["uri"])
    return found, left_out


def _contents(artifacts: Mapping[str, Mapping[str, Path]]) -> Iterator[tuple[str, bytes]]:
    for digest, parts in sorted(artifacts.items()):
        for name, path in sorted(parts.items()):
            yield f"artifacts/{digest}/{name}" if name else f"artifacts/{digest}", path.read_bytes()


def _write(target: Path, named: Mapping[str, bytes]) -> None:
    """Stored, not compressed: the bytes are then the same with every version of zlib."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in named.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr, entry.create_system = 0o644 << 16, 3
            archive.writestr(entry, data)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(buffer.getvalue())
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(f"{target} cannot be written: {error.strerror}.") from error
