"""What people and gates have said of a version since it was registered: from the ledger and the registry's tags."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from hematovision.home import Home
from hematovision.ledger import open_ledger

_GATE = "gate."


class CardDecision(BaseModel):
    """One signed decision, by the number of its record."""

    model_config = ConfigDict(frozen=True)

    number: int
    time: str
    action: str
    gate: str = ""
    name: str
    role: str
    meaning: str
    reason: str
    fingerprint: str


class Standing(BaseModel):
    """A version as it stands now: aliases, verdict of the gates and decisions, the earliest first.

    Attributes:
        state: in words, with what it still needs, by what counted when it was last decided on; None before that.
        approvals: those that counted then, in words. decisions: all that were ever signed.
    """

    model_config = ConfigDict(frozen=True)

    aliases: list[str] = []
    state: str | None = None
    approvals: str | None = None
    verdict: str | None = None
    gates: dict[str, str] = {}
    decisions: list[CardDecision] = []


def standing_of(home: Home, database: str | None, version: Any) -> Standing:
    """The standing of MLflow's model version; the ledger is opened for reading alone."""
    tags = dict(version.tags)
    return Standing(
        aliases=sorted(version.aliases),
        state=tags.get("standing"),
        approvals=tags.get("approvals"),
        verdict=tags.get("verdict"),
        gates={name.removeprefix(_GATE): value for name, value in sorted(tags.items()) if name.startswith(_GATE)},
        decisions=decisions_on(home, database, f"{version.name}/{version.version}"),
    )


def decisions_on(home: Home, database: str | None, model: str) -> list[CardDecision]:
    """The signed decisions about `NAME/VERSION` in the ledger; records that nobody signed are left out."""
    records = open_ledger(home, database).records(kind="decision", subject=f"model:{model}")
    return [
        CardDecision(
            number=record.number,
            time=record.time,
            fingerprint=record.signature.fingerprint,
            gate=str(record.content.get("gate") or ""),
            **{name: str(record.content.get(name, "")) for name in ("action", "name", "role", "meaning", "reason")},
        )
        for record in records
        if record.signature is not None
    ]
