"""How the list of networks looks on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show_backbones(console: Console, document: Mapping[str, Any]) -> None:
    """One row a network, then where missing weights belong."""
    table = Table(title="Networks a model can start from", title_justify="left", title_style="bold")
    table.box, table.padding = SIMPLE_HEAD, (0, 1, 0, 0)
    table.add_column("name", style="cyan", no_wrap=True)
    for name in ("side", "params", "MACs", "frozen"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("licence", "weights"):
        table.add_column(name, no_wrap=True)
    for row in document["backbones"]:
        table.add_row(*_backbone_cells(row))
    console.print(table)
    console.print(
        "side: pixels the weights were scored with; = where no other fits. params, MACs: weights, and multiply-"
        "accumulates for one picture of that side, without the classifier. frozen: how many of its blocks "
        "`frozen_blocks: auto` leaves as they are. licence: of the weights, – where the library does not state it.",
        style="dim",
        highlight=False,
    )
    _tell_missing(console, document)
    console.print("\nTo choose one: `learning: {backbone: {name: NAME}}` in a file for --config.", highlight=False)


def _tell_missing(console: Console, document: Mapping[str, Any]) -> None:
    missing = [row for row in document["backbones"] if row["weights"]["file"] and not row["weights"]["here"]]
    if not missing:
        return
    console.print("\nWeights that are missing are downloaded when first needed. Without a network, put the file in")
    console.print(document["folder"], soft_wrap=True, markup=False, highlight=False)
    for row in missing:
        console.print(f"  [cyan]{escape(row['name']):<22}[/]{escape(row['weights']['file'])}", highlight=False)
    console.print("`hematovision backbones --json` says where each is published.", highlight=False)


def _backbone_cells(row: Mapping[str, Any]) -> list[str]:
    weights = row["weights"]
    state = "[green]here[/]" if weights["here"] else "[yellow]missing[/]" if weights["file"] else "[red]none[/]"
    return [
        escape(row["name"]),
        f"{'= ' if row['fixed_side'] else ''}{row['side']}",
        f"{row['parameters'] / 1e6:.1f} M",
        f"{row['macs'] / 1e9:.2f} G",
        f"{row['frozen_blocks']} of {row['blocks']}",
        row["licence"] or "–",
        state,
    ]
