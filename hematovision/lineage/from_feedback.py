"""What the feedback store knows: predictions, and what people said of them; read, never written."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hematovision.lineage.from_ledger import LedgerReader, record_thing
from hematovision.lineage.graph import Link, Links, Node, Room
from hematovision.lineage.things import Thing

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_PREDICTION_FACTS = ("time", "label", "confidence", "strangeness", "refer", "site", "client", "slide")
_ITEM_FACTS = ("state", "label", "predicted", "by", "role", "source", "submitted", "changed", "reason")
_SHORTEST = 8


class FeedbackReader:
    """Predictions, below their model, their image and the record by which the model was in force; corrections of them.

    Attributes:
        unread: why predictions cannot be told, in words.
    """

    def __init__(self, engine: "Engine", ledger: LedgerReader) -> None:
        from sqlalchemy import inspect

        from hematovision.feedback import tables

        self.engine, self.ledger = engine, ledger
        self._predictions, self._items = tables.predictions, tables.items
        present = set(inspect(engine).get_table_names())
        self._there = {tables.predictions.name, tables.items.name} <= present
        self.unread: Sequence[str] = () if self._there else ("no prediction has been kept in this home yet",)

    def describe(self, thing: Thing, *, near: bool) -> Node | None:
        """Predictions and feedback items; the images they are of."""
        if not self._there:
            return Node(thing, missing=tuple(self.unread)) if near and thing.kind in ("model", "prediction") else None
        with self.engine.connect() as connection:
            if thing.kind == "prediction":
                row = self._row(connection, self._predictions, thing)
                return None if row is None else self._prediction(row, near=near)
            if thing.kind == "feedback":
                row = self._row(connection, self._items, thing)
                return None if row is None else Node(thing, _told(row, _ITEM_FACTS))
        return None

    def _prediction(self, row: Any, *, near: bool) -> Node:
        thing = Thing("prediction", row["id"])
        facts = _told(row, _PREDICTION_FACTS) | {
            "model digest": row["model_digest"],
            "data version": row["data_version"],
        }
        missing = []
        if near and self._in_force(row["model"], row["time"]) is None:
            missing.append(f"no ledger record says why {row['model']} answered then: nothing about it is that old")
        if not row["picture_kept"]:
            missing.append("its picture was not kept")
        return Node(thing, facts, tuple(missing))

    def _row(self, connection: "Connection", table: Any, thing: Thing) -> Any:
        from sqlalchemy import select

        return connection.execute(select(table).where(table.c.id == thing.identity)).mappings().first()

    def _in_force(self, model: str, time: str) -> Thing | None:
        found = None
        for record, start, end in self.ledger.in_force(Thing("model", model)):
            if start <= time and (end is None or time < end):
                found = record_thing(record)
        return found

    def above(self, thing: Thing, *, room: Room) -> Links:  # noqa: ARG002 - few
        """From a prediction to model, image and record; from a correction to its prediction and image."""
        if not self._there or thing.kind not in ("prediction", "feedback"):
            return Links()
        with self.engine.connect() as connection:
            row = self._row(connection, self._predictions if thing.kind == "prediction" else self._items, thing)
        if row is None:
            return Links()
        if thing.kind == "feedback":
            about = Thing("prediction", row["prediction_id"]) if row["prediction_id"] else Thing("image", row["image"])
            return Links((Link(thing, about, "is about"),))
        links = [
            Link(thing, Thing("model", row["model"]), "answered by"),
            Link(thing, Thing("image", row["image"]), "of"),
        ]
        if (record := self._in_force(row["model"], row["time"])) is not None:
            links.insert(0, Link(thing, record, "given under"))
        return Links(tuple(links))

    def below(self, thing: Thing, *, room: Room) -> Links:
        """From a model, an image or a record in force to predictions; from a prediction or an image to corrections."""
        if not self._there:
            return Links()
        links, more = [], {}
        with self.engine.connect() as connection:
            for table, kind, wanted, relation in self._asked(thing):
                rows, count = _some(connection, table, wanted, room[kind])
                links += [Link(Thing(kind, row), thing, relation) for row in rows]
                if count > len(rows):
                    more[kind] = count - len(rows)
        return Links(tuple(links), more)

    def _asked(self, thing: Thing) -> list[tuple[Any, str, Any, str]]:
        given, items = self._predictions, self._items
        if thing.kind == "model":
            return [(given, "prediction", given.c.model == thing.identity, "answered by")]
        if thing.kind == "image":
            alone = (items.c.image == thing.identity) & items.c.prediction_id.is_(None)
            return [
                (given, "prediction", given.c.image == thing.identity, "of"),
                (items, "feedback", alone, "is about"),
            ]
        if thing.kind == "prediction":
            return [(items, "feedback", items.c.prediction_id == thing.identity, "is about")]
        return [(given, "prediction", self._during(thing), "given under")] if thing.kind == "record" else []

    def _during(self, thing: Thing) -> Any:
        """Predictions given while a record was the one in force."""
        from sqlalchemy import and_, false

        span = self.ledger.span_of(thing)
        if span is None:
            return false()
        model, start, end = span
        told = [self._predictions.c.model == model.identity, self._predictions.c.time >= start]
        return and_(*told, self._predictions.c.time < end) if end else and_(*told)

    def beside(self, thing: Thing) -> tuple[Link, ...]:  # noqa: ARG002 - no records
        """Nothing."""
        return ()

    def search(self, text: str) -> list[Thing]:
        """The id of a prediction or a feedback item, or its beginning."""
        if not self._there or len(text) < _SHORTEST:
            return []
        with self.engine.connect() as connection:
            return [
                Thing(kind, row)
                for table, kind in ((self._predictions, "prediction"), (self._items, "feedback"))
                for row in _some(connection, table, table.c.id.startswith(text, autoescape=True), 10)[0]
            ]


def _some(connection: "Connection", table: Any, wanted: Any, limit: int) -> tuple[list[str], int]:
    """The newest ids for which a condition holds, and how many there are: ids sort by time."""
    from sqlalchemy import func, select

    count = connection.execute(select(func.count()).select_from(table).where(wanted)).scalar_one()
    query = select(table.c.id).where(wanted).order_by(table.c.id.desc()).limit(limit)
    return (list(connection.execute(query).scalars()) if limit and count else []), int(count)


def _told(row: Any, names: Sequence[str]) -> dict[str, str]:
    return {name: str(row[name]) for name in names if row[name] not in (None, "")}
