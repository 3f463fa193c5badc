"""`loop` as a table, and what became of each promise it makes."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_KEPT, _BROKEN = ("✓", "green"), ("✗", "bold red")


def show_loop(console: Console, document: Mapping[str, Any]) -> None:
    """What the loop gained at each site, and whether anything was lost on the way."""
    console.print()
    console.print(_accuracies(document))
    for kept, says in _promises(document):
        sign, style = _KEPT if kept else _BROKEN
        console.print(Text.assemble((f"{sign} ", style), says))
    if document["synthetic"]:
        console.print("These cells were generated: the figures say that the loop works, nothing about real cells.")
    took = f"{_clock(document['seconds'])} in all, most of it {_longest(document['steps'])}."
    console.print(took, highlight=False)
    console.print(f"Reports, logs and registry: {document['folder']}", soft_wrap=True, highlight=False)


def _accuracies(document: Mapping[str, Any]) -> Table:
    table = Table(title="Accuracy before and after", title_justify="left", title_style="bold")
    before, after = document["before"], document["after"]
    table.add_column("held-out cells of")
    for name, told in (("before", before), ("after", after)):
        table.add_column(f"{name}: version {told['version']}", justify="right")
    table.add_column("points", justify="right")
    for site, name in (("site_a", "site A"), ("site_b", "site B")):
        gain = document["gain"][site]
        points = Text(f"{100 * gain:+.1f}", style="green" if gain > 0 else "" if gain == 0 else "red")
        table.add_row(f"{name} ({before[site]['n']})", _accuracy(before[site]), _accuracy(after[site]), points)
    return table


def _promises(document: Mapping[str, Any]) -> list[tuple[bool, str]]:
    """Whether each was kept, and in words."""
    raised, cleared = document["watched"][0], document["watched"][-1]
    given, dropped = document["corrections"], document["dropped_requests"]
    still = "" if document["alarm_cleared"] else f" by {', '.join(cleared['signals']) or 'an earlier check'}"
    return [
        (
            document["alarm_raised"],
            f"Drift alarm {'raised' if document['alarm_raised'] else 'not raised'}: {raised['n']} cells of site B, "
            f"{len(raised['signals'])} signals in alarm.",
        ),
        (
            document["started_by"] == "schedule",
            f"Retrain started by the {document['started_by']}, with {given['accepted']} accepted corrections "
            f"({given['wrong']} of {given['given']} sent were against the model).",
        ),
        (
            dropped == 0,
            f"{document['requests']} requests, {dropped or 'none'} without an answer; the slowest took "
            f"{document['slowest_seconds']:g} s.",
        ),
        (
            document["alarm_cleared"],
            f"Drift alarm {'cleared' if document['alarm_cleared'] else 'still raised'}{still}: {cleared['n']} later "
            f"cells of site B, seen by version {document['after']['version']}.",
        ),
    ]


def _longest(steps: list[Mapping[str, Any]], shown: int = 2) -> str:
    most = sorted(enumerate(steps, start=1), key=lambda step: -step[1]["seconds"])[:shown]
    return " and ".join(f"step {number} ({_clock(step['seconds'])})" for number, step in most)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _accuracy(measured: Mapping[str, Any]) -> str:
    interval = measured["accuracy"]
    return f"{interval['value']:.1%} ({interval['low']:.1%} to {interval['high']:.1%})"
