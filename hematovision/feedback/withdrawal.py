"""A withdrawn image leaves feedback: its picture is gone, what was said of it is refused; hashes and history stay."""

from typing import TYPE_CHECKING

from sqlalchemy import insert, inspect, select, update

from hematovision.database import writing
from hematovision.feedback import tables
from hematovision.feedback.records import now

if TYPE_CHECKING:
    from sqlalchemy import Engine

REASON = "the image was withdrawn and erased"


def withdraw_image(engine: "Engine", sha256: str) -> int:
    """Refuse every item of an image, and say of its predictions that no picture is kept; idempotent.

    Returns:
        How many items were refused now.
    """
    there = {tables.items.name, tables.predictions.name, tables.events.name}
    if not there <= set(inspect(engine).get_table_names()):
        return 0
    items, given, events = tables.items, tables.predictions, tables.events
    with writing(engine) as connection:
        wanted = select(items.c.id).where(items.c.image == sha256, items.c.reason != REASON)
        found = list(connection.scalars(wanted))
        for item in found:
            line = {"item": item, "time": now(), "action": "superseded", "by": "system", "role": None, "verdict": None}
            connection.execute(insert(events).values(line | {"state": "rejected", "reason": REASON}))
            changed = {"state": "rejected", "reason": REASON, "changed": now()}
            connection.execute(update(items).where(items.c.id == item).values(changed))
        connection.execute(update(given).where(given.c.image == sha256).values(picture_kept=False))
    return len(found)
