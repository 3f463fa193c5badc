"""How a verdict looks on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hematovision.cli.tables import NOT_A_DEVICE


def show_verdict(console: Console, document: Mapping[str, Any]) -> None:
    """One row a gate, then what to know besides."""
    against = f"against {document['champion']}" if document["champion"] else "no champion to compare with"
    table = Table(title=f"{document['model']}, {against}", title_justify="left", title_style="bold", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for gate in document["gates"]:
        mark = "[green]passed[/]" if gate["passed"] else "[bold red]failed[/]"
        table.add_row(mark, escape(gate["name"]), escape(gate["says"]))
    console.print(table)
    for note in document["notes"]:
        console.print(f"Note: {note}", markup=False)
    console.print(f"Verdict   {'[bold green]passed[/]' if document['passed'] else '[bold red]failed[/]'}")
    console.print(f"Page      {document['page']}", soft_wrap=True, markup=False, highlight=False)
    console.print(NOT_A_DEVICE, style="dim")


def verdict_words(verdict: Mapping[str, Any]) -> str:
    """The verdict in one line: passed, or the gates that were not."""
    against = f"against {verdict['champion']}" if verdict["champion"] else "no champion to compare with"
    if verdict["passed"]:
        return f"[bold green]passed[/] all {verdict['gates']} gates, {escape(against)}"
    return f"[bold red]failed[/] {escape(', '.join(verdict['failed']))}, {escape(against)}"
