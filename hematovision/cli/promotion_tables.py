"""How reviews, promotions and webhooks look on a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

COLOURS = {"champion": "green", "approved": "green", "rejected": "red", "refused by gates": "red"}


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    return table


def _state(state: str) -> str:
    colour = COLOURS.get(state)
    return f"[{colour}]{state}[/]" if colour else state


def show_versions(console: Console, document: Mapping[str, Any]) -> None:
    """A line a version, the newest first."""
    rows = [
        (escape(row["model"]), "[red]altered[/]", "", escape(row["problem"]))
        if row["problem"]
        else (
            escape(row["model"]),
            _state(row["state"]),
            row["verdict"],
            escape("; ".join(row["missing"]) if row["state"] in ("waiting", "refused by gates") else ""),
        )
        for row in document["versions"]
    ]
    console.print(_table(f"Versions of {document['name']}", ("version", "standing", "gates", "needs"), rows))


def show_standing(console: Console, document: Mapping[str, Any]) -> None:
    """Everything a reviewer has to know of a version."""
    console.print(f"[bold]{escape(document['model'])}[/]  {_state(document['state'])}")
    console.print(
        f"asked for by {escape(document['requester']) or 'nobody known'}, code {document['git_commit'] or 'unknown'}",
        highlight=False,
    )
    gates = [
        (gate["name"], "passed" if gate["passed"] else "[red]failed[/]", escape(gate.get("says", "")))
        for gate in document["gates"]
    ]
    console.print(_table("Gates", ("gate", "outcome", "figures"), gates))
    _show_decisions(console, document)
    for need in document["missing"] if document["state"] not in ("champion", "former champion") else []:
        console.print(f"[yellow]needs[/] {escape(need)}", highlight=False)


def _show_decisions(console: Console, document: Mapping[str, Any]) -> None:
    rows = [
        (
            str(decision["number"]),
            decision["recorded"][:19],
            escape(f"{decision['content']['name']} ({decision['content']['role']})"),
            decision["content"]["action"],
            escape(decision["content"]["reason"]),
        )
        for decision in document["decisions"]
    ]
    if rows:
        console.print(_table("Decisions", ("record", "time (UTC)", "who", "what", "why"), rows))
    for odd in document["discounted"]:
        console.print(f"Record {odd['number']} of {escape(odd['actor'])} does not count: {escape(odd['why'])}.")


def show_decision(console: Console, document: Mapping[str, Any]) -> None:
    """What was signed, and where the version stands with it."""
    content, standing = document["decision"]["content"], document["standing"]
    console.print(f"{escape(content['name'])} ({escape(content['role'])}): {escape(content['meaning'])}")
    console.print(f"Record {document['decision']['number']} of the ledger, signed for {content['model_digest'][:16]}…")
    console.print(f"{escape(standing['model'])} is {_state(standing['state'])}")
    for need in standing["missing"]:
        console.print(f"[yellow]needs[/] {escape(need)}", highlight=False)
    if standing["state"] == "approved":
        console.print(f"Next      hematovision promote {escape(standing['model'])}", highlight=False)


def show_moved(console: Console, document: Mapping[str, Any]) -> None:
    """Who serves now, and on whose word."""
    before = f" in place of version {document['before']}" if document["before"] else ""
    console.print(f"[green]champion[/] of {escape(document['name'])} is version {document['champion']}{before}")
    decisions = ", ".join(map(str, document["decisions"]))
    console.print(f"Record {document['record']} of the ledger, on decisions {decisions}.", highlight=False)
    for gate in document["overridden"]:
        console.print(f"[yellow]The failed gate {gate} was overridden.[/]")


def show_restored(console: Console, document: Mapping[str, Any]) -> None:
    """Who serves, after the alias was put back."""
    serves = f"version {document['champion']}" if document["champion"] else "no version"
    console.print(f"champion of {escape(document['name'])} is {serves}, as the ledger says")


def show_webhooks(console: Console, document: Mapping[str, Any]) -> None:
    """Where messages go."""
    rows = [
        (escape(one["name"]), escape(one["url"]), one["status"], ", ".join(one["events"]))
        for one in document["webhooks"]
    ]
    console.print(_table("Webhooks", ("name", "address", "status", "events"), rows))


def show_deliveries(console: Console, document: Mapping[str, Any]) -> None:
    """How test messages fared."""
    for one in document["deliveries"]:
        outcome = f"[green]answered {one['status']}[/]" if one["success"] else f"[red]failed[/] {escape(one['says'])}"
        console.print(f"{escape(one['name'])}: {outcome}")
