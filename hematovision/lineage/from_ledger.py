"""What the ledger knows: who decided what about a model, data, a run, an image or a prediction, and in which order."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from sqlalchemy import select

from hematovision.ledger import Ledger, Record
from hematovision.ledger.store import RECORDS
from hematovision.lineage.graph import Link, Links, Node, Room
from hematovision.lineage.things import Thing
from hematovision.lineage.tracking import Version

PRECEDING: Mapping[str, tuple[str, ...]] = {
    "evaluation": ("training",),
    "registration": ("training", "evaluation"),
    "verdict": ("evaluation", "registration"),
    "decision": ("verdict",),
    "promotion": ("verdict", "decision"),
    "rollback": ("promotion",),
    "deployment": ("promotion", "rollback"),
}
"""A record about a model follows from the earlier ones of these kinds about it."""

SERVING = ("promotion", "rollback", "deployment")
EXPECTED: Mapping[str, Mapping[str, str]] = {
    "model": {
        "registration": "no ledger record of its registration",
        "verdict": "no ledger record of a verdict: no gate has judged it",
        "decision": "no ledger record of a decision: nobody has approved or rejected it",
    },
    "data": {"validation": "no ledger record of a validation"},
}
_ABOUT = ("model", "data", "run", "image", "prediction")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_TOLD = ("action", "meaning", "reason", "role", "alias", "passed", "success", "requester", "name")


class LedgerReader:
    """Records, each below what it is about and below the earlier records it follows from."""

    unread: Sequence[str] = ()

    def __init__(self, ledger: Ledger, versions: Iterable[Version]) -> None:
        self.ledger = ledger
        self._digests = {one.thing: one.tags.get("model_digest", "") for one in versions}
        self._models = {digest: thing for thing, digest in self._digests.items() if digest}
        self._cached: dict[str, list[Record]] = {}

    def describe(self, thing: Thing, *, near: bool) -> Node | None:
        """Records; and which records a model or a data version should have and has not."""
        if thing.kind == "record":
            record = self._record(thing)
            return None if record is None else Node(thing, _facts(record), _unsigned(record))
        if near and thing.kind in EXPECTED:
            kinds = {record.kind for record in self.about(thing)}
            return Node(thing, missing=tuple(what for kind, what in EXPECTED[thing.kind].items() if kind not in kinds))
        return None

    def _record(self, thing: Thing) -> Record | None:
        if not _NUMBER.fullmatch(thing.identity):
            return None
        number = int(thing.identity)
        found = next(iter(self.ledger.records(after=number - 1)), None) if self._has(number) else None
        return found if found is not None and found.number == number else None

    def _has(self, number: int) -> bool:
        return bool(self.ledger.rows(select(RECORDS.c.number).where(RECORDS.c.number == number)))

    def about(self, thing: Thing) -> list[Record]:
        """Records of which a thing is the subject, in their order; of a model also those that name its digest."""
        if thing.kind not in _ABOUT or len(thing.identity) > 480:
            return []
        subjects = [str(thing)]
        if self._digests.get(thing):
            subjects.append(f"model-digest:{self._digests[thing]}")
        found = [record for subject in subjects for record in self._of(subject)]
        return sorted(found, key=lambda record: record.number)

    def _of(self, subject: str) -> list[Record]:
        if subject not in self._cached:
            self._cached[subject] = list(self.ledger.records(subject=subject))
        return self._cached[subject]

    def subject_of(self, record: Record) -> Thing | None:
        """What a record is about, where a lineage has such a thing."""
        if record.subject.startswith("model-digest:"):
            return self._models.get(record.subject.removeprefix("model-digest:"))
        thing = Thing.parse(record.subject)
        return thing if thing is not None and thing.kind in _ABOUT else None

    def above(self, thing: Thing, *, room: Room) -> Links:  # noqa: ARG002 - few
        """From a record to what it is about and the records it follows from."""
        record = self._record(thing) if thing.kind == "record" else None
        subject = self.subject_of(record) if record else None
        if record is None or subject is None:
            return Links()
        earlier = [one for one in self.about(subject) if _follows(record, one)]
        links = [Link(thing, record_thing(one), "follows from") for one in earlier]
        return Links((*links, Link(thing, subject, "about")))

    def below(self, thing: Thing, *, room: Room) -> Links:  # noqa: ARG002 - all records are shown
        """From a thing to the records about it, and from a record to those that follow from it."""
        if thing.kind != "record":
            return Links(tuple(Link(record_thing(one), thing, "about") for one in self.about(thing)))
        record = self._record(thing)
        subject = self.subject_of(record) if record else None
        if record is None or subject is None:
            return Links()
        later = [one for one in self.about(subject) if _follows(one, record)]
        return Links(tuple(Link(record_thing(one), thing, "follows from") for one in later))

    def search(self, text: str) -> list[Thing]:  # noqa: ARG002 - a bare number says too little
        """Records are written `record:NUMBER`."""
        return []

    def beside(self, thing: Thing) -> list[Link]:
        """The records about a thing, the newest last: they tell what was checked and decided on the way."""
        return [Link(record_thing(one), thing, "about") for one in self.about(thing)]

    def span_of(self, thing: Thing) -> tuple[Thing, str, str | None] | None:
        """The model that a record is about, and from when until when the record was the one in force."""
        record = self._record(thing)
        model = self.subject_of(record) if record else None
        if record is None or model is None or model.kind != "model":
            return None
        spans = [(model, start, end) for one, start, end in self.in_force(model) if one.number == record.number]
        return spans[0] if spans else None

    def in_force(self, model: Thing) -> list[tuple[Record, str, str | None]]:
        """The records about a model that tell why it answered: each with the time from which and until which it does.

        Promotions, rollbacks and deployments once there is one; before that, whatever the ledger says of it.
        """
        spans = [one for one in self.about(model) if one.kind in PRECEDING]
        first = next((place for place, one in enumerate(spans) if one.kind in SERVING), len(spans))
        chosen = [*spans[:first], *(one for one in spans[first:] if one.kind in SERVING)]
        ends = [after.time for _, after in pairwise(chosen)]
        return [(one, one.time, end) for one, end in zip(chosen, [*ends, None], strict=bool(chosen))]


def record_thing(record: Record) -> Thing:
    """What a lineage calls a record."""
    return Thing("record", str(record.number))


def _follows(later: Record, earlier: Record) -> bool:
    return earlier.number < later.number and earlier.kind in PRECEDING.get(later.kind, ())


def _facts(record: Record) -> dict[str, str]:
    told = {name: str(record.content[name]) for name in _TOLD if name in record.content}
    signed = {"signed with": record.signature.fingerprint} if record.signature else {}
    base = {"kind": record.kind, "time": record.time, "by": record.actor, "digest": record.digest}
    return {**base, **signed, **told}


def _unsigned(record: Record) -> tuple[str, ...]:
    return ("the decision carries no signature",) if record.kind == "decision" and record.signature is None else ()
