"""Whether everything is as it was written: the chain, the people, the files, the registry."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from sqlalchemy.exc import SQLAlchemyError

from hematovision.errors import HematoVisionError
from hematovision.ledger import proof
from hematovision.ledger.agreement import RegistryFacts, check_registry
from hematovision.ledger.keys import fingerprint
from hematovision.ledger.proof import Chain, Finding
from hematovision.ledger.store import Ledger, as_fields

if TYPE_CHECKING:
    from sqlalchemy import Row

IN_FLIGHT = 32
"""Records that may stand behind the anchor: appends under way, or killed, since it was last moved."""
Measure = Callable[[str], str | None]
"""The SHA-256 of what lies at an artifact's URI now; None where nothing does."""


@dataclass(frozen=True)
class Verification:
    """What was looked at, and what was found.

    Attributes:
        chain: the records gone through: their number, the digest of the last, who may sign.
        artifacts: files whose digests were measured anew.
        rows: the records that could be read, with all their fields.
        anchor: where the installation said that the ledger ends, before the records were read.
    """

    findings: list[Finding]
    chain: Chain
    artifacts: int
    rows: list[dict[str, Any]]
    anchor: dict[str, Any] | None


def verify_ledger(
    ledger: Ledger,
    *,
    measure: Measure | None = None,
    registry: RegistryFacts | None = None,
    earlier: Path | None = None,
) -> Verification:
    """Judge the whole ledger; nothing is written.

    Args:
        measure: of the artifacts that records name; without it their digests are not checked.
        registry: what it says now; without it agreement is not checked.
        earlier: an export made before, which the ledger has to go on from.
    """
    anchor, found = _anchor(ledger)
    chain = Chain(anchor, shared=ledger.shared)
    chain.findings += found
    rows = _examine(chain, ledger)
    chain.end()
    chain.findings += _installation(ledger, chain, anchored=anchor is not None or bool(found))
    measured = check_artifacts(chain.artifacts, measure) if measure else (0, [])
    chain.findings += measured[1]
    if registry is not None:
        chain.findings += check_registry(rows, registry)
    if earlier is not None:
        chain.findings += _continues(earlier, rows)
    return Verification(chain.findings, chain, measured[0], rows, anchor)


def _anchor(ledger: Ledger) -> tuple[dict[str, Any] | None, list[Finding]]:
    try:
        anchor = ledger.anchor()
    except HematoVisionError as error:
        return None, [Finding("anchor", None, str(error))]
    return (anchor.model_dump() if anchor else None), []


def _examine(chain: Chain, ledger: Ledger) -> list[dict[str, Any]]:
    """Every row through the chain; those that can be read are returned."""
    rows = []
    try:
        stored = ledger.rows()
    except SQLAlchemyError as error:
        problem = str(error).splitlines()[0]
        chain.findings.append(Finding("unreadable", None, f"the ledger's table cannot be read any more: {problem}"))
        return []
    for row in stored:
        fields = _fields(chain, row)
        chain.add(fields)
        if proof.shape_problem(fields) is None:
            rows.append(fields)
    return rows


def _fields(chain: Chain, row: "Row[Any]") -> Any:
    try:
        fields = as_fields(row)
    except (ValueError, TypeError, RecursionError):
        return None
    for name in ("content", "signature"):
        stored = row._mapping[name]
        if stored is not None and (
            not isinstance(stored, str) or proof.spelled_differently(stored.encode(errors="replace"), fields[name])
        ):
            says = f"the {name} of record {fields['number']} is not spelled as it was written"
            chain.findings.append(Finding("spelling", None, says))
    return fields


def _installation(ledger: Ledger, chain: Chain, *, anchored: bool) -> list[Finding]:
    """Whether what the installation keeps outside the database is there and is its own."""
    if not chain.count or (ledger.shared and not ledger.installation.exists):
        return []
    found = _lag(ledger, chain)
    mine = _own_mark(ledger)
    expected = mine in chain.keys.installations if ledger.shared else True
    if not anchored and expected and _anchor(ledger) == (None, []):  # it may have been made since
        found.append(Finding("anchor", None, "the anchor, which says where the ledger ends, is missing"))
    if ledger.installation.exists and mine not in chain.keys.installations and not ledger.shared:
        found.append(Finding("installation", None, "the key of this installation is not the one that wrote the ledger"))
    return found


def _lag(ledger: Ledger, chain: Chain) -> list[Finding]:
    """Whether the anchor, read after the records, is further behind than appends under way explain."""
    anchor, _ = _anchor(ledger)
    behind = chain.number - anchor["number"] if anchor else 0
    if ledger.shared or behind <= IN_FLIGHT:
        return []
    return [Finding("anchor", None, f"the anchor is {behind} records behind: an older one was put in its place")]


def _own_mark(ledger: Ledger) -> str | None:
    try:
        return fingerprint(ledger.installation.key()) if ledger.installation.exists else None
    except HematoVisionError:
        return None


def check_artifacts(
    artifacts: Iterable[tuple[int, str, str, str | None]], measure: Measure
) -> tuple[int, list[Finding]]:
    """Measure every artifact that has a place; gives how many were measured, and what was found."""
    found, measured = [], dict[str, str | HematoVisionError | None]()
    for number, name, expected, uri in artifacts:
        if not isinstance(uri, str):
            continue
        if uri not in measured:
            measured[uri] = _measured(measure, uri)
        now = measured[uri]
        if isinstance(now, HematoVisionError):
            found.append(Finding("artifact", number, f"{name} of record {number} ({uri}) cannot be trusted: {now}"))
        elif now is None:
            found.append(Finding("artifact", number, f"{name} of record {number} is missing: {uri}"))
        elif now != expected:
            says = f"{name} of record {number} ({uri}) is not the file that was recorded: it was replaced or altered"
            found.append(Finding("artifact", number, says))
    return len(measured), found


def _measured(measure: Measure, uri: str) -> str | HematoVisionError | None:
    try:
        return measure(uri)
    except HematoVisionError as error:
        return error


def _continues(earlier: Path, rows: list[dict[str, Any]]) -> list[Finding]:
    try:
        lines = proof.read_archive(earlier)["records.jsonl"].splitlines()
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        return [Finding("unreadable", None, f"{earlier} is no export that can be read: {error}")]
    return proof.check_continues(lines, [proof.canonical(row) for row in rows])
