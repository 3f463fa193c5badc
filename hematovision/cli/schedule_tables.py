"""How schedules, firings and daemons look on a terminal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

COLOURS = {"done": "green", "failed": "bold red", "refused": "yellow", "running": "cyan", "starting": "cyan"}


def _time(text: str | None, zone: str = "UTC") -> str:
    if text is None:
        return "–"
    return datetime.fromisoformat(text).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def _when(schedule: Mapping[str, Any]) -> str:
    if schedule["cron"]:
        return f"{schedule['cron']}  ({schedule['timezone']})"
    return f"every {schedule['interval_seconds']:g} s"


def _conditions(schedule: Mapping[str, Any]) -> str:
    joint = " or " if schedule["any_condition"] else " and "
    words = {
        "accepted_feedback": "{:g} corrections accepted",
        "drift_alarm": "a drift alarm",
        "champion_older_than_days": "champion older than {:g} days",
    }
    return joint.join(words[item["name"]].format(item["limit"]) for item in schedule["conditions"]) or "always"


def _state(firing: Mapping[str, Any] | None) -> str:
    if firing is None:
        return "–"
    colour = COLOURS.get(firing["state"])
    return f"[{colour}]{firing['state']}[/]" if colour else str(firing["state"])


def show_schedule(console: Console, document: Mapping[str, Any]) -> None:
    """One schedule."""
    schedule = document.get("schedule") or document["removed"]
    table = Table(show_header=False)
    next_due = "paused" if schedule["paused"] else _time(schedule["next_due"], schedule["timezone"])
    rows = {
        "schedule": schedule["name"] + (" (removed)" if "removed" in document else ""),
        "command": schedule["shown"],
        "in": schedule["folder"],
        "when": _when(schedule),
        "if": _conditions(schedule),
        "next": next_due,
        "attempts": f"1 + {schedule['retries']}",
        "engine": schedule["engine"],
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    console.print(table)


def show_schedules(console: Console, document: Mapping[str, Any]) -> None:
    """One row a schedule."""
    if not document["schedules"]:
        console.print("No schedules yet: hematovision schedule add NAME --cron '0 2 * * *' -- COMMAND…", markup=False)
        return
    table = Table()
    for name in ("schedule", "when", "if", "next", "last", "command"):
        table.add_column(name, overflow="fold")
    for row in document["schedules"]:
        due = "paused" if row["paused"] else _time(row["next_due"], row["timezone"])
        shown = [escape(text) for text in (row["name"], _when(row), _conditions(row), due)]
        table.add_row(*shown, _state(row["last"]), escape(row["shown"]))
    console.print(table)


def _firings(rows: list[Mapping[str, Any]], title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("schedule", "due", "stands for", "state", "attempts", "ended", "why"):
        table.add_column(name, overflow="fold")
    for row in rows:
        due = _time(row["due"]) + (" (a person)" if row["cause"] == "person" else "")
        facts = (str(row["merged"]), _state(row), str(row["attempts"]), _time(row["ended"]))
        table.add_row(escape(row["schedule"]), due, *facts, escape(row["reason"] or ""))
    return table


def show_history(console: Console, document: Mapping[str, Any]) -> None:
    """One row a firing, and the log of the latest."""
    console.print(_firings(document["firings"], f"{len(document['firings'])} firings, the latest first"))
    logs = [row["log"] for row in document["firings"] if row["log"]]
    if logs:
        console.print(f"Latest log  {logs[0]}", soft_wrap=True, markup=False, highlight=False)


def show_firing(console: Console, document: Mapping[str, Any]) -> None:
    """One firing."""
    firing = document["firing"]
    console.print(
        _firings([firing], "Handed to the daemon" if document["by_daemon"] else "Run here, as no daemon is alive")
    )
    if firing["log"]:
        console.print(f"Log  {firing['log']}", soft_wrap=True, markup=False, highlight=False)


def show_health(console: Console, document: Mapping[str, Any]) -> None:
    """Daemons, what runs, what waits, what is wrong."""
    table = Table(title="Daemons", title_justify="left", title_style="bold")
    for name in ("machine", "process", "since", "last heard of", "alive"):
        table.add_column(name)
    for daemon in document["daemons"]:
        alive = "[green]yes[/]" if daemon["alive"] else "[red]no[/]"
        host = escape(daemon["machine"].split("/")[0])
        table.add_row(host, str(daemon["pid"]), _time(daemon["since"]), _time(daemon["beat"]), alive)
    console.print(table)
    for state in ("running", "waiting"):
        if document[state]:
            console.print(_firings(document[state], state.capitalize()))
    console.print("[green]healthy[/]" if document["healthy"] else "[bold red]not healthy[/]")
