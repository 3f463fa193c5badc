"""Feedback as a person reads it in a terminal."""

from typing import Any

_ID_WIDTH = 36
_STYLES = {"accepted": "green", "rejected": "red", "disputed": "yellow", "quarantined": "magenta"}


def _table(title: str, *columns: str) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, min_width=_ID_WIDTH if column in ("item", "id") else None)
    return table


def _state(state: str | None) -> Any:
    from rich.text import Text

    return Text(state or "", style=_STYLES.get(state or "", ""))


def show_items(console: Any, document: Any) -> None:
    """A line an item."""
    from rich.text import Text

    table = _table(f"{len(document['items'])} corrections", "item", "state", "class", "model said", "by", "why")
    for item in document["items"]:
        words = (item["label"], item["predicted"] or "", item["by"], item["reason"])
        table.add_row(item["id"], _state(item["state"]), *map(Text, words))
    console.print(table)


def show_item(console: Any, document: Any) -> None:
    """One item and, where given, its history."""
    from rich.text import Text

    show_items(console, {"items": [document["item"]]})
    if "history" not in document:
        return
    table = _table("History", "when", "what", "by", "role", "vote", "state", "why")
    for event in document["history"]:
        before = (event["time"], event["action"], event["by"], event["role"] or "", event["verdict"] or "")
        table.add_row(*map(Text, before), _state(event["state"]), Text(event["reason"]))
    console.print(table)


def show_queue(console: Any, document: Any) -> None:
    """A line an entry, the most urgent first."""
    from rich.text import Text

    table = _table(
        f"{len(document['queue'])} wait for you", "", "id", "urgency", "model says", "corrected to", "state", "why"
    )
    for one in document["queue"]:
        words = (one["kind"], one["id"], f"{one['urgency']:.2f}", one["predicted"] or "", one["label"] or "")
        table.add_row(*map(Text, words), _state(one["state"]), Text(one["reason"]))
    console.print(table)


def show_imported(console: Any, document: Any) -> None:
    """What was taken in, and each row that was not."""
    from rich.text import Text

    console.print(f"{len(document['items'])} labels taken in, {len(document['refused'])} refused")
    if document["refused"]:
        table = _table("Refused", "line", "picture", "reason")
        for row in document["refused"]:
            table.add_row(*map(Text, (row["line"], row["path"], row["reason"])))
        console.print(table)


def show_exported(console: Any, document: Any) -> None:
    """Where the data set lies."""
    said = f"{document['n']} {document['state']} cells in {document['folder']}"
    repeated = f" ({document['repeated']} more show the same pictures)" if document["repeated"] else ""
    console.print(said + repeated, soft_wrap=True, markup=False, highlight=False)


def show_stats(console: Any, document: Any) -> None:
    """Counts, one below the other."""
    from rich.text import Text

    table = _table("Feedback", "", "n")
    table.add_row("predictions kept", str(document["predictions"]))
    table.add_row("people who corrected", str(document["people"]))
    for state, number in document["items"].items():
        table.add_row(_state(state), str(number))
    for label, number in document["accepted_by_class"].items():
        table.add_row(Text(f"accepted: {label}"), str(number))
    console.print(table)
