"""How heat maps and stress tests of a model look on a terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hematovision.cli.tables import NOT_A_DEVICE, interval, listed


def show_explanations(console: Console, document: Mapping[str, Any]) -> None:
    """One row an image, and where the pictures lie."""
    table = Table(title=f"Model {document['model']}", title_justify="left", title_style="bold")
    for name in ("image", "heat map of", "probability", "file"):
        table.add_column(name, overflow="fold")
    for row in document["files"]:
        table.add_row(
            escape(row["path"]), escape(row["label"]), f"{row['probability']:.3f}", escape(Path(row["file"]).name)
        )
    console.print(table)
    listed(console, "Not readable", [(item["path"], item["reason"]) for item in document["errors"]])
    console.print(f"Pictures  {document['folder']}", soft_wrap=True, markup=False, highlight=False)
    console.print("A heat map says where the model looked, not why.", style="dim")
    console.print(NOT_A_DEVICE, style="dim")


def show_robustness(console: Console, document: Mapping[str, Any]) -> None:
    """Accuracy by corruption and severity, per cent."""
    severities = sorted({score["severity"] for score in document["scores"]})
    table = Table(
        title=f"{document['n']} cells, accuracy untouched {interval(document['clean'])}, "
        f"mean drop {interval(document['mean_drop'])}",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("corruption")
    for severity in severities:
        table.add_column(f"severity {severity}", justify="right")
    for name in document["says"]:
        found = {score["severity"]: score["accuracy"] for score in document["scores"] if score["corruption"] == name}
        table.add_row(escape(name), *(interval(found[severity]) for severity in severities))
    console.print(table)
    listed(
        console,
        "Labels the model has no class for",
        [(label, f"{count} cells not tested") for label, count in document["without_counterpart"].items()],
    )
    listed(console, "Not readable", [(item["path"], item["reason"]) for item in document["quarantined"]])
    console.print(f"Plot  {document['plot']}", soft_wrap=True, markup=False, highlight=False)
