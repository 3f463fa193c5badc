"""`loop` as a table."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def show_loop(console: Console, document: Mapping[str, Any]) -> None:
    """What the loop gained at each site, and whether anything was lost on the way."""
    table = Table(title="The loop", title_justify="left", title_style="bold")
    before, after = document["before"], document["after"]
    table.add_column("held-out cells of")
    for name, told in (("before", before), ("after", after)):
        table.add_column(f"{name}, version {told['version']}", justify="right")
    table.add_column("points", justify="right")
    for site, name in (("site_a", "site A"), ("site_b", "site B")):
        cells = f"{name} ({before[site]['n']})"
        table.add_row(cells, _accuracy(before[site]), _accuracy(after[site]), f"{100 * document['gain'][site]:+.1f}")
    console.print(table)
    given = document["corrections"]
    console.print(
        f"{given['accepted']} corrections were accepted; the retrain was started by: {document['started_by']}."
    )
    alarms = (("raised", document["alarm_raised"]), ("cleared", document["alarm_cleared"]))
    console.print(f"Drift alarm: {', '.join(name if done else f'not {name}' for name, done in alarms)}.")
    console.print(
        f"{document['requests']} requests, {document['dropped_requests']} without an answer; the slowest took "
        f"{document['slowest_seconds']:g} s."
    )
    if document["synthetic"]:
        console.print("These cells were generated: the figures say that the loop works, nothing about real cells.")
    console.print(
        f"{document['seconds']:.0f} s in all. Reports, logs and registry: {document['folder']}", soft_wrap=True
    )


def _accuracy(measured: Mapping[str, Any]) -> str:
    interval = measured["accuracy"]
    return f"{interval['value']:.1%} ({interval['low']:.1%} to {interval['high']:.1%})"
