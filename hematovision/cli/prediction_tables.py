"""How answers of a model, and how right they are, look on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hematovision.cli.tables import NOT_A_DEVICE, facts, interval, listed


def show_predictions(console: Console, document: Mapping[str, Any]) -> None:
    """One row an image."""
    table = Table(title=f"Model {document['model']}", title_justify="left", title_style="bold")
    for name in ("image", "class", "probability", "cannot be excluded", "strangeness"):
        table.add_column(name, overflow="fold")
    for row in document["predictions"]:
        table.add_row(*_prediction(row))
    console.print(table)
    sure = f"{100 * document['confidence']:g} %"
    console.print(
        f"Cannot be excluded: the set holds the right class for {sure} of the cells of each class.", style="dim"
    )
    if document["never_excluded"]:
        console.print(f"In every set, for want of cells to judge by: {', '.join(document['never_excluded'])}.")
    strange = sum(row["unlike_training"] for row in document["predictions"])
    if strange:
        console.print(
            f"{strange} of {len(document['predictions'])} images are unlike anything the model was trained on "
            "(strangeness above 1): do not rely on their class.",
            style="bold yellow",
        )
    listed(console, "Not readable", [(item["path"], item["reason"]) for item in document["errors"]])
    if document["synthetic"]:
        console.print("This model was trained on SYNTHETIC cells only.", style="yellow")
    console.print(NOT_A_DEVICE, style="dim")


def _prediction(row: Mapping[str, Any]) -> tuple[str, ...]:
    strangeness = f"{row['strangeness']:.2f}"
    return (
        escape(row["path"]),
        escape(row["label"]),
        f"{row['probabilities'][row['label']]:.3f}",
        escape(", ".join(row["set"])),
        f"[bold yellow]{strangeness} strange[/]" if row["unlike_training"] else strangeness,
    )


def show_evaluation(console: Console, document: Mapping[str, Any]) -> None:
    """Overall and per-class scores."""
    rows = {
        "cells": str(document["n"]),
        "accuracy": interval(document["accuracy"]),
        "macro-F1": interval(document["macro_f1"]),
        **_trust(document["trust"]),
    }
    facts(console, f"Model {document['model']} (95 % intervals in brackets)", rows)
    table = Table()
    for name in ("class", "n", "precision", "recall", "F1"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for label, scores in document["per_class"].items():
        shown = [interval(scores[name]) if scores[name] else "–" for name in ("precision", "recall", "f1")]
        table.add_row(escape(label), str(scores["n"]), *shown)
    console.print(table)
    listed(
        console,
        "Labels the model has no class for",
        [(label, f"{count} cells not scored") for label, count in document["without_counterpart"].items()],
    )
    console.print(f"Report  {document['report']}", soft_wrap=True, markup=False, highlight=False)


def _trust(trust: Mapping[str, Any]) -> dict[str, str]:
    sets, strangeness = trust["sets"], trust["strangeness"]
    return {
        f"{100 * sets['asked']:g} % sets hold the truth": interval(sets["coverage"]),
        "classes in a set": interval(sets["mean_size"]),
        "flagged as strange": interval(strangeness["flagged"]),
    }
