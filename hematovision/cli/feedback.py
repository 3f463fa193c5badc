"""What the `feedback` commands do; a person is who is signed in, a senior one who holds a registered key."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hematovision.cli import feedback_tables as tables
from hematovision.cli.output import command
from hematovision.cli.own_key import load_own_key
from hematovision.registry.versions import requester

if TYPE_CHECKING:
    from hematovision.config import RunConfig
    from hematovision.feedback.exchange import Layout
    from hematovision.feedback.records import State, Verdict
    from hematovision.feedback.store import FeedbackStore
    from hematovision.ledger import Reviewer

SOURCE, ROLE = "command line", "predict"


def submit(
    label: str,
    prediction: str | None,
    image: Path | None,
    key: str | None,
    site: str | None,
    slide: str | None,
    config: Path | None,
    *,
    as_json: bool,
) -> None:
    """Take in one correction."""
    with command(as_json) as output:
        from hematovision.feedback.exchange import correction_of, read_picture

        settings, store = _opened(config)
        picture = None if image is None else read_picture(image, max_pixels=settings.reading.max_pixels)
        asked = [prediction, hashlib.sha256(picture).hexdigest() if picture else None, label, site, slide]
        fields = {
            "prediction_id": prediction,
            "image": picture,
            "label": label,
            "by": requester(),
            "role": ROLE,
            "client_key": key or hashlib.sha256(repr(asked).encode()).hexdigest(),
            "site": site,
            "slide": slide,
        }
        item = store.submit(correction_of(fields, source=SOURCE))
        output.result({"item": item.model_dump()}, tables.show_item)


def list_items(state: "State | None", limit: int, config: Path | None, *, as_json: bool) -> None:
    """Show items."""
    with command(as_json) as output:
        items = _opened(config)[1].items(state=state, limit=limit)
        output.result({"items": [item.model_dump() for item in items]}, tables.show_items)


def show(item_id: str, config: Path | None, *, as_json: bool) -> None:
    """Show an item, its prediction and its history."""
    with command(as_json) as output:
        from hematovision.errors import UsageError

        store = _opened(config)[1]
        item = store.item(item_id)
        if item is None:
            raise UsageError(f"There is no feedback item {item_id}.")
        prediction = store.prediction(item.prediction_id) if item.prediction_id else None
        document = {
            "item": item.model_dump(),
            "prediction": prediction.model_dump() if prediction else None,
            "history": [event.model_dump() for event in store.history(item_id)],
        }
        output.result(document, tables.show_item)


def adjudicate(
    item_ids: Sequence[str], verdict: "Verdict", config: Path | None, *, senior: bool, as_json: bool
) -> None:
    """Vote on items, one after the other; stops at the first that may not be voted on."""
    with command(as_json) as output:
        settings, store = _opened(config)
        by, role = requester(), settings.feedback.adjudication.reviewer_roles[0]
        if senior:
            known, role = _senior(settings)
            by = known.name
            _refuse_own(store, item_ids, [requester(), known.login or known.name])
        items = [store.adjudicate(item_id, verdict, by, role) for item_id in item_ids]
        output.result({"by": by, "role": role, "items": [item.model_dump() for item in items]}, tables.show_items)


def show_queue(limit: int, site: str | None, config: Path | None, *, as_json: bool) -> None:
    """Show what waits for the person who asks."""
    with command(as_json) as output:
        waiting = _opened(config)[1].queue(limit=limit, site=site, reviewer=requester())
        output.result({"queue": [one.model_dump() for one in waiting]}, tables.show_queue)


def import_table(table: Path, config: Path | None, *, as_json: bool) -> None:
    """Take in a table of an annotation tool."""
    with command(as_json) as output:
        from hematovision.feedback.exchange import import_table

        settings, store = _opened(config)
        outcome = import_table(store, table, by=requester(), role=ROLE, max_pixels=settings.reading.max_pixels)
        output.result({"items": outcome.items, "refused": outcome.refused}, tables.show_imported)


def export(
    folder: Path, state: "State", since: str | None, layout: "Layout", config: Path | None, *, as_json: bool
) -> None:
    """Write items as a data set."""
    with command(as_json) as output:
        from hematovision.errors import UsageError
        from hematovision.feedback.exchange import export_items

        store = _opened(config)[1]
        try:
            items = store.items(state=state, since=since)
        except ValueError as error:
            raise UsageError(f"--since {since} is no time such as 2026-11-22 or 2026-11-22T14:00:00.") from error
        done = export_items(store, items, folder, layout=layout)
        document = {"folder": str(done.folder), "n": done.count, "repeated": done.repeated, "state": state}
        output.result(document, tables.show_exported)


def stats(config: Path | None, *, as_json: bool) -> None:
    """Show counts."""
    with command(as_json) as output:
        output.result(_opened(config)[1].stats(), tables.show_stats)


def _opened(config: Path | None) -> "tuple[RunConfig, FeedbackStore]":
    from hematovision.config import load_config
    from hematovision.home import locate_home
    from hematovision.registry.feedback_store import feedback_of

    settings = load_config(config)
    return settings, feedback_of(locate_home(), settings)


def _refuse_own(store: "FeedbackStore", ids: Sequence[str], names: Sequence[str]) -> None:
    """A person's key has another name than their login: what they corrected as the one is not theirs to decide."""
    from hematovision.errors import GateRefused
    from hematovision.feedback.adjudication import person

    mine = {person(name) for name in names}
    for item in filter(None, map(store.item, ids)):
        if person(item.by) in mine:
            raise GateRefused(f"{item.by} made correction {item.id}: somebody else has to decide about it.")


def _senior(settings: "RunConfig") -> "tuple[Reviewer, str]":
    """The person, and their role, whose registered key is at hand.

    Raises:
        UsageError: the key cannot be opened.
        GateRefused: the ledger does not know it, or knows it without a senior role.
    """
    from hematovision.errors import GateRefused
    from hematovision.home import locate_home
    from hematovision.ledger import open_ledger, reviewers
    from hematovision.ledger.keys import fingerprint

    mine = fingerprint(load_own_key(None))
    known = reviewers(open_ledger(locate_home(), settings.records.database)).get(mine)
    roles = [] if known is None or known.revoked else known.roles
    senior = [role for role in settings.feedback.adjudication.senior_roles if role in roles]
    if known is None or not senior:
        needed = " or ".join(settings.feedback.adjudication.senior_roles)
        raise GateRefused(
            f"The key {mine[:12]} is not registered with the role {needed}; see `hematovision reviewers`."
        )
    return known, senior[0]
