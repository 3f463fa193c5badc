"""Decisions about feedback are told to the ledger: each exactly once, in order, however often a process is killed."""

import hashlib
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, insert, select, update

from hematovision.database import writing
from hematovision.feedback.adjudication import person
from hematovision.feedback.items import item_of
from hematovision.feedback.records import Correction, Item
from hematovision.feedback.tables import events, items, told
from hematovision.ledger import Ledger

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Teller:
    """Appends to the ledger every decision since the last one told; what was submitted is part of what is decided."""

    def __init__(self, engine: "Engine", ledger: Ledger) -> None:
        self._engine, self._ledger = engine, ledger
        self._lock = Lock()

    def catch_up(self) -> int:
        """Tell what is not told yet; gives how many decisions that were.

        Lines of history are numbered in the order they are committed, so one number says how far the ledger is; a kill
        between the two databases repeats an append, which the ledger's idempotency key makes harmless.
        """
        with self._lock:
            with self._engine.connect() as connection:
                waiting = _untold(connection)
            for line in waiting:
                item = item_of({name: line[f"item_{name}"] for name in Item.model_fields})
                self._ledger.append(
                    "feedback",
                    f"prediction:{item.prediction_id}" if item.prediction_id else f"image:{item.image}",
                    _content(line, item),
                    actor=line["by"],
                    unique=f"feedback:{item.id}:{line['number']}",
                )
            if waiting:
                with writing(self._engine) as connection:
                    _put_upto(connection, int(waiting[-1]["number"]))
            return len(waiting)

    def refusal(self, correction: Correction, image: str, reason: str) -> None:
        """Record that a correction was not taken in."""
        content = {"action": "refused", "image": image, "label": correction.label, "reason": reason}
        asked = f"{person(correction.by)}\n{correction.client_key}\n{image}\n{reason}"
        self._ledger.append(
            "feedback",
            f"image:{image}",
            content | {"role": correction.role, "source": correction.source},
            actor=correction.by,
            unique=f"feedback-refused:{hashlib.sha256(asked.encode()).hexdigest()}",
        )


def _untold(connection: Connection) -> list[Any]:
    upto = select(func.coalesce(func.max(told.c.event), 0)).scalar_subquery()
    columns = [column.label(f"item_{column.name}") for column in items.columns]
    query = select(*events.columns, *columns).join(items, items.c.id == events.c.item)
    query = query.where(events.c.number > upto, events.c.action != "submitted").order_by(events.c.number)
    return list(connection.execute(query).mappings())


def _put_upto(connection: Connection, number: int) -> None:
    upto = connection.execute(select(told.c.event)).scalar()
    if upto is None:
        connection.execute(insert(told).values(event=number))
    elif upto < number:
        connection.execute(update(told).values(event=number))


def _content(line: Any, item: Item) -> dict[str, Any]:
    """The decision, and the correction it is about as it was submitted."""
    about = item.model_dump(exclude={"state", "reason", "changed", "client_key"})
    decided = {name: line[name] for name in ("action", "role", "verdict", "state", "reason")}
    return decided | {"decided": line["time"], "item": about}
