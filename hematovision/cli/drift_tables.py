"""The drift history as a person reads it in a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hematovision.cli.tables import interval, listed

_SHORT_ID = 8


def show_drift(console: Console, document: Mapping[str, Any]) -> None:
    """The verdict and its signals."""
    verdict = "[bold red]DRIFT[/]" if document["drift"] else "[bold green]no drift[/]"
    table = Table(title=f"{document['n']} images: {verdict}", title_justify="left")
    for name in ("signal", "value", "threshold", "alarm"):
        table.add_column(name)
    for signal in document["signals"]:
        table.add_row(
            escape(signal["name"]),
            f"{signal['value']:.4g}",
            f"{signal['threshold']:.4g}",
            "[red]alarm[/]" if signal["alarm"] else "",
        )
    console.print(table)
    _tell_window(console, document)
    for note in document["notes"]:
        console.print(f"Note: {note}", markup=False)
    for words in document["untold"]:
        console.print(f"Could not be told: {words}", markup=False)
    listed(console, "Not readable", [(item["path"], item["reason"]) for item in document["errors"]])
    console.print(f"Report  {document['report']}", soft_wrap=True, markup=False, highlight=False)


def _tell_window(console: Console, document: Mapping[str, Any]) -> None:
    rates, accuracy, window = document["rates"], document["accuracy"], document["window"]
    console.print(
        f"Window  {document['data']}: {rates['confidence']:.1%} sure on average, "
        f"{rates['more_than_one_class']:.1%} with more than one class, {rates['unlike_training']:.1%} unlike training",
        markup=False,
        highlight=False,
    )
    left_out = {"repeated": "repeated", "without a picture": "without_picture", "by chance": "not_looked_at"}
    said = [f"{window[key]} {words}" for words, key in left_out.items() if window[key]]
    if said:
        console.print(f"        left out: {', '.join(said)}", highlight=False)
    if accuracy:
        console.print(
            f"        right in {accuracy['right']} of {accuracy['n']} that people decided about: {interval(accuracy)}",
            highlight=False,
        )
    if document["state"]:
        change = " (changed by this check)" if document["changed"] else ""
        words = "[bold red]raised[/]" if document["state"] == "raised" else "[green]none[/]"
        console.print(f"Alarm   {words} since {document['since'][:16]} UTC{change}", highlight=False)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _verdict(check: Mapping[str, Any]) -> str:
    return "[bold red]drift[/]" if check["drift"] else "[green]no drift[/]"


def _alarm(check: Mapping[str, Any]) -> str:
    return "[bold red]raised[/]" if check["state"] == "raised" else "[green]none[/]"


def _accuracy(check: Mapping[str, Any]) -> str:
    known = check["accuracy"]
    return f"{known['right']} of {known['n']}" if known else "–"


def _facts(check: Mapping[str, Any]) -> list[str]:
    return [check["time"][:19].replace("T", " "), escape(check["model"]), escape(check["site"] or "–")]


def show_checks(console: Console, document: Mapping[str, Any]) -> None:
    """A line a check, the newest first."""
    columns = ("check", "time (UTC)", "model", "site", "n", "verdict", "alarm", "signals in alarm", "right")
    table = _table(f"{len(document['checks'])} checks, the latest first", *columns)
    for check in document["checks"]:
        changed = f"{_alarm(check)} [bold]←[/]" if check["changed"] else _alarm(check)
        said = (escape(", ".join(check["signals"])) or "–", _accuracy(check))
        table.add_row(check["id"][:_SHORT_ID], *_facts(check), str(check["n"]), _verdict(check), changed, *said)
    console.print(table)
    if document["checks"]:
        console.print("← raised or cleared the alarm. right: among cells that people decided about.", style="dim")


def show_states(console: Console, document: Mapping[str, Any]) -> None:
    """A line a model and site."""
    table = _table("How monitoring stands", "last check (UTC)", "model", "site", "alarm", "since", "signals in alarm")
    for check in document["states"]:
        since = check["since"][:16].replace("T", " ")
        table.add_row(*_facts(check), _alarm(check), since, escape(", ".join(check["signals"])) or "–")
    console.print(table)


def show_check(console: Console, document: Mapping[str, Any]) -> None:
    """One check with every signal."""
    check = document["check"]
    table = _table(f"Check {check['id']}", "signal", "value", "threshold", "p", "")
    for signal in check["signals"]:
        alarm = "[red]alarm[/]" if signal["alarm"] else ""
        figures = (f"{signal['value']:.4g}", f"{signal['threshold']:.4g}", f"{signal['p_value']:.3f}")
        table.add_row(escape(signal["name"]), *figures, alarm)
    console.print(table)
    against = f"{check['site']}'s own baseline" if check["baseline"] else "the model's reference"
    console.print(
        f"{check['source']}: {check['n']} images against {check['n_reference']} of {against}",
        markup=False,
        highlight=False,
    )
    console.print(f"Alarm   {_alarm(check)} since {check['since'][:16]} UTC", highlight=False)
    console.print(f"Report  {check['report']}", soft_wrap=True, markup=False, highlight=False)


def show_page(console: Console, document: Mapping[str, Any]) -> None:
    """Where the page lies."""
    console.print(f"{document['checks']} checks in {document['page']}", soft_wrap=True, markup=False, highlight=False)


def show_baseline(console: Console, document: Mapping[str, Any]) -> None:
    """What the site is held against from now on."""
    made = document["baseline"]
    console.print(
        f"{made['site']} is held against {made['n']} of its own cells from now on, answered by {made['model']} from "
        f"{made['first'][:16]} to {made['last'][:16]} UTC.",
        markup=False,
        highlight=False,
    )
    if made["alarms"]:
        console.print(f"They differ from the model's reference: {', '.join(made['alarms'])}.", style="yellow")
    known = made["accuracy"]
    right = f"{known['right']} of {known['n']}" if known else "none"
    console.print(f"A baseline says what is usual, not what is right. Decided about and right: {right}.", style="dim")


def show_removed(console: Console, document: Mapping[str, Any]) -> None:
    """What the site is held against again."""
    words = "has no baseline any more" if document["removed"] else "had no baseline"
    console.print(f"{document['site']} {words}: {document['model']}'s own reference counts.", markup=False)
