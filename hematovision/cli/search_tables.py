"""How a hyper-parameter search looks on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hematovision.cli.tables import NOT_A_DEVICE, interval


def show_search(console: Console, document: Mapping[str, Any]) -> None:
    """The best trials with their biased scores, and the command that gives an honest one."""
    counts = document["trials"]
    grid = f" of a grid of {counts['grid']}" if counts["grid"] else ""
    title = (
        f"Study {document['study']}: {counts['complete']} trials scored{grid}, {counts['pruned']} given up early, "
        f"{counts['failed']} failed, on {document['folds']} inner folds of {document['cells']} cells"
    )
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("trial", "selection score", "macro-F1", "log loss", "s", "settings"):
        table.add_column(name, overflow="fold")
    for trial in document["top"]:
        settings = "\n".join(f"{_last_two(key)} {_short(value)}" for key, value in trial["parameters"].items())
        figures = [f"{trial['macro_f1']:.4f}", f"{trial['log_loss']:.4f}", f"{trial['seconds']:.1f}"]
        table.add_row(str(trial["number"]), interval(trial["selection_score"]), *figures, escape(settings))
    console.print(table)
    console.print(
        "These scores chose the settings, so the best of them is flattering. The golden set, which no trial has seen, "
        "gives the honest figure:",
        style="yellow",
    )
    for name, value in {"Next": document["next"], "Plots": document["page"], "Trials": document["table"]}.items():
        console.print(f"{name:<8}{value}", soft_wrap=True, markup=False, highlight=False)
    console.print("Look    hematovision ui   (MLflow: every trial a nested run)", highlight=False)
    console.print(f"Time    {document['seconds']:.0f} s", highlight=False)
    console.print(NOT_A_DEVICE, style="dim")


def _last_two(key: str) -> str:
    return ".".join(key.split(".")[-2:])


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
