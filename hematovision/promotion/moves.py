"""The history of a model's champion, as the ledger tells it: every move an intent first, then its end."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from hematovision.errors import GateRefused
from hematovision.ledger import Ledger
from hematovision.ledger.records import Record

MoveKind = Literal["promotion", "rollback"]
Stage = Literal["intent", "done", "undone"]


@dataclass(frozen=True)
class Move:
    """One change of champion; versions are numbers as text, `before` is None for the first.

    Attributes:
        evidence: what allowed it: digests of model and verdict, numbers of the decisions, overridden gates.
    """

    identity: str
    kind: MoveKind
    name: str
    before: str | None
    after: str
    actor: str
    evidence: dict[str, Any]

    @property
    def subject(self) -> str:
        """What its records are filed under."""
        return f"model:{self.name}/{self.after}"

    def content(self, stage: Stage) -> dict[str, Any]:
        """The content of the record of one stage."""
        return {
            "stage": stage,
            "move": self.identity,
            "name": self.name,
            "before": self.before,
            "after": self.after,
            **self.evidence,
        }


@dataclass
class History:
    """What the moves so far add up to.

    Attributes:
        champions: version numbers; the last serves, those before it are what a rollback returns to.
        unfinished: a move that was begun and has no end yet.
        begun: how many moves were ever begun.
        taken_back: versions that a rollback ended, with the number of its record.
        last: the record of the last finished move.
    """

    champions: list[str] = field(default_factory=list)
    unfinished: Move | None = None
    begun: int = 0
    taken_back: dict[str, int] = field(default_factory=dict)
    last: Record | None = None

    @property
    def champion(self) -> str | None:
        """The version that serves."""
        return self.champions[-1] if self.champions else None

    @property
    def former(self) -> str | None:
        """The version that served before it."""
        return self.champions[-2] if len(self.champions) > 1 else None

    def digest_of(self, version: str) -> str | None:
        """The digest of the files that the latest move to a version was about; None where there was no such move."""
        evidence: dict[str, Any] = {}
        if self.unfinished is not None and self.unfinished.after == version:
            evidence = self.unfinished.evidence
        elif self.last is not None and self.last.content["after"] == version:
            evidence = self.last.content
        found: str | None = evidence.get("model_digest")
        return found


def planned(kind: MoveKind, name: str, before: str | None, after: str, *, actor: str, evidence: dict[str, Any]) -> Move:
    """A move that is not begun yet."""
    return Move(uuid4().hex, kind, name, before, after, actor, evidence)


def _read(record: Record) -> Move:
    content = dict(record.content)
    fixed = {part: content.pop(part) for part in ("move", "name", "before", "after")}
    content.pop("stage")
    kind: MoveKind = "promotion" if record.kind == "promotion" else "rollback"
    return Move(fixed["move"], kind, fixed["name"], fixed["before"], fixed["after"], record.actor, content)


def read_history(ledger: Ledger, name: str) -> History:
    """The champions of a model so far."""
    records = [record for kind in ("promotion", "rollback") for record in ledger.records(kind=kind)]
    ours = (record for record in sorted(records, key=lambda one: one.number) if record.content.get("name") == name)
    return fold(ours)


def fold(records: Iterable[Record]) -> History:
    """What records of moves add up to; they come in the order of their numbers."""
    history = History()
    for record in records:
        stage, move = record.content["stage"], _read(record)
        if stage == "intent":
            history.unfinished, history.begun = move, history.begun + 1
            continue
        history.unfinished = None
        if stage == "done":
            history.last = record
            _follow(history, move, record.number)
    return history


def _follow(history: History, move: Move, number: int) -> None:
    if move.kind == "rollback":
        history.taken_back[history.champions.pop()] = number
    else:
        history.champions.append(move.after)


def begin(ledger: Ledger, move: Move, history: History) -> None:
    """Write the intent.

    Raises:
        GateRefused: another process has begun a move since the history was read.
    """
    unique = f"move:{move.name}:{history.begun + 1}"
    record = ledger.append(move.kind, move.subject, move.content("intent"), actor=move.actor, unique=unique)
    if record.content["move"] != move.identity:
        raise GateRefused(f"{record.actor} is moving the champion of {move.name} at this moment; look again.")


def end(ledger: Ledger, move: Move, stage: Stage) -> Record:
    """Write how a move ended; it ends once."""
    return ledger.append(move.kind, move.subject, move.content(stage), actor=move.actor, unique=f"end:{move.identity}")
