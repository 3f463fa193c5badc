"""How a retrain looks on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from hematovision.cli.tables import NOT_A_DEVICE, facts, interval


def show_improvement(console: Console, document: Mapping[str, Any]) -> None:
    """What a retrain gained, or why there was none."""
    if not document["improved"]:
        console.print(f"No retrain: {document['reason']}.", soft_wrap=True, markup=False, highlight=False)
        return
    new, run = document["new_cells"], document["run"]
    rows = {
        "went on from": f"{document['champion']}, with {document['accepted']} corrected cells",
        f"{new['n']} held-out new cells": _compared(new),
        "doubted corrections": _doubted(document["doubts"]),
        f"golden set, n = {run['golden']['n']}": f"accuracy {interval(run['golden']['accuracy'])}",
        "challenger": f"{run['model']['name']} version {run['model']['version']}",
        "waits for": document["waits"] or "nothing: it is the champion",
        "time": f"{document['seconds']:.0f} s",
    }
    facts(console, "A retrained challenger (95 % intervals in brackets)", rows)
    for name, path in (("Change", document["change"]), ("Report", run["report"])):
        console.print(f"{name}    {path}", soft_wrap=True, markup=False, highlight=False)
    console.print(NOT_A_DEVICE, style="dim")


def _doubted(doubts: Mapping[str, Any]) -> str:
    found = len(doubts["cells"])
    return f"{found} of {doubts['n']}" + (": shown under Change" if found else "")


def _compared(new: Mapping[str, Any]) -> str:
    if not new["n"]:
        return "none could be held out"
    return "\n".join(f"{name}: accuracy {interval(new[name]['accuracy'])}" for name in ("champion", "challenger"))
