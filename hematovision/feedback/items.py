"""Items in the database: found, added, voted on; every change adds a line to the item's history."""

from typing import Any

from sqlalchemy import Connection, and_, insert, select, update

from hematovision.errors import GateRefused
from hematovision.feedback.adjudication import Circumstances, Vote, person, standing
from hematovision.feedback.records import OPEN, Action, Event, Item, State, Verdict, now
from hematovision.feedback.settings import AdjudicationSettings
from hematovision.feedback.tables import events, items

SYSTEM = "system"


def find_item(connection: Connection, item_id: str) -> Item | None:
    """An item by its id."""
    row = connection.execute(select(items).where(items.c.id == item_id)).mappings().first()
    return None if row is None else item_of(row)


def find_by_key(connection: Connection, by: str, client_key: str) -> tuple[Item, str] | None:
    """The item a person made under a key, and the digest of what they asked for."""
    query = select(items).where(items.c.person == person(by), items.c.client_key == client_key)
    row = connection.execute(query).mappings().first()
    return None if row is None else (item_of(row), str(row["asked"]))


def select_items(connection: Connection, *conditions: Any, limit: int | None = None) -> list[Item]:
    """Items for which every condition holds, in the order they came."""
    query = select(items).where(*conditions).order_by(items.c.submitted, items.c.id).limit(limit)
    return [item_of(row) for row in connection.execute(query).mappings()]


def history_of(connection: Connection, item_id: str) -> list[Event]:
    """Everything that happened to an item, in order."""
    rows = connection.execute(select(events).where(events.c.item == item_id).order_by(events.c.number)).mappings()
    return [Event.model_validate(dict(row)) for row in rows]


def item_of(row: Any) -> Item:
    """The item a row holds."""
    return Item.model_validate({name: row[name] for name in Item.model_fields})


def add_item(connection: Connection, row: dict[str, Any], suspected: str, settings: AdjudicationSettings) -> Item:
    """Write a new item with its first lines of history; `suspected` is why it is set aside, or ''."""
    row = row | {"state": "pending", "reason": "", "suspected": bool(suspected), "changed": row["submitted"]}
    connection.execute(insert(items).values(row))
    item = item_of(row)
    _add_event(connection, item, "submitted", item.by, item.role, state="pending")
    _withdraw_earlier(connection, item)
    if suspected:
        return suspect(connection, item, suspected)
    others = _others(connection, item)
    for other in others:
        if other.state == "pending":
            settle(connection, other, "contested", by=item.by, role=item.role, settings=settings)
    return settle(connection, item, "contested", by=item.by, role=item.role, settings=settings) if others else item


def suspect(connection: Connection, item: Item, reason: str) -> Item:
    """Set an open item aside for a person."""
    connection.execute(update(items).where(items.c.id == item.id).values(suspected=True))
    _add_event(connection, item, "suspected", SYSTEM, None, state="quarantined", reason=reason)
    return _put_state(connection, item, "quarantined", reason)


def vote(
    connection: Connection, item: Item, verdict: Verdict, by: str, role: str, settings: AdjudicationSettings
) -> Item:
    """Count a vote; accepting a class for a picture refuses every other class for it."""
    changed = settle(connection, item, "voted", by=by, role=role, verdict=verdict, settings=settings)
    if changed.state == "accepted":
        for other in _others(connection, changed):
            reason = f"another class was accepted for this picture: {changed.label} ({changed.id})"
            _supersede(connection, other, reason, by, role)
    return changed


def take_back(connection: Connection, item: Item) -> Item:
    """Let the person who made an open item unsay it, as long as nobody has voted on it; the history keeps both.

    Raises:
        GateRefused: it is decided, or somebody has voted.
    """
    lines = history_of(connection, item.id)
    if item.state == "rejected" and (lines[-1].action, lines[-1].by) == ("superseded", item.by):
        return item
    if item.state not in OPEN:
        raise GateRefused(f"This correction is {item.state} already; what was decided stays decided.")
    if any(line.action == "voted" for line in lines):
        raise GateRefused("Somebody has voted on this correction: correct the cell again instead of taking it back.")
    return _supersede(connection, item, f"{item.by} took it back", item.by, item.role)


def settle(
    connection: Connection,
    item: Item,
    action: Action,
    *,
    by: str,
    role: str | None,
    settings: AdjudicationSettings,
    verdict: Verdict | None = None,
) -> Item:
    """Add a line to the history and put the state that follows from it."""
    votes = _votes(connection, item.id)
    if verdict is not None and role is not None:
        votes.append(Vote(by, role, verdict))
    state, reason = standing(votes, item.by, _circumstances(connection, item), settings)
    _add_event(connection, item, action, by, role, state=state, verdict=verdict, reason=reason)
    return _put_state(connection, item, state, reason)


def _votes(connection: Connection, item_id: str) -> list[Vote]:
    """The votes since the item was last superseded: what was said before was overruled with it."""
    votes: list[Vote] = []
    for event in history_of(connection, item_id):
        if event.action == "superseded":
            votes.clear()
        elif event.verdict is not None and event.role is not None:
            votes.append(Vote(event.by, event.role, event.verdict))
    return votes


def _circumstances(connection: Connection, item: Item) -> Circumstances:
    suspicions = [event.reason for event in history_of(connection, item.id) if event.action == "suspected"]
    others = _others(connection, item)
    return Circumstances(
        suspected=suspicions[-1] if suspicions else "",
        contested=any(other.state != "quarantined" for other in others),
        overturns=any(other.state == "accepted" for other in others),
    )


def _others(connection: Connection, item: Item) -> list[Item]:
    """Items that name another class for the same picture and were not refused."""
    return select_items(
        connection,
        and_(items.c.pixels == item.pixels, items.c.label != item.label, items.c.state != "rejected"),
        items.c.id != item.id,
    )


def _withdraw_earlier(connection: Connection, item: Item) -> None:
    for other in _others(connection, item):
        if person(other.by) == person(item.by) and other.state in OPEN:
            _supersede(connection, other, f"{item.by} corrected it again: {item.label} ({item.id})", item.by, item.role)


def _supersede(connection: Connection, item: Item, reason: str, by: str, role: str | None) -> Item:
    _add_event(connection, item, "superseded", by, role, state="rejected", reason=reason)
    return _put_state(connection, item, "rejected", reason)


def _add_event(
    connection: Connection,
    item: Item,
    action: Action,
    by: str,
    role: str | None,
    *,
    state: State,
    verdict: Verdict | None = None,
    reason: str = "",
) -> None:
    line = {"item": item.id, "time": now(), "action": action, "by": by, "role": role}
    connection.execute(insert(events).values(line | {"verdict": verdict, "state": state, "reason": reason}))


def _put_state(connection: Connection, item: Item, state: State, reason: str) -> Item:
    if (state, reason) == (item.state, item.reason):
        return item
    new = {"state": state, "reason": reason, "changed": now() if state != item.state else item.changed}
    connection.execute(update(items).where(items.c.id == item.id).values(new))
    return item.model_copy(update=new)
