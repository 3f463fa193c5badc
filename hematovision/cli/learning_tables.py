"""How what was read, trained and registered looks on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hematovision.cli.gating_tables import verdict_words
from hematovision.cli.tables import NOT_A_DEVICE, facts, interval, listed


def show_ingestion(console: Console, document: Mapping[str, Any]) -> None:
    """What was accepted, left out, found leaking, and which expectations failed."""
    table = Table(title=f"{document['accepted']} cells accepted", title_justify="left", title_style="bold")
    table.add_column("class")
    table.add_column("cells", justify="right")
    for label, count in document["classes"].items():
        table.add_row(escape(label), str(count))
    console.print(table)
    listed(console, "Quarantined", [(item["path"], item["reason"]) for item in document["quarantined"]])
    failed = document["validation"]["failed"]
    listed(
        console,
        "Expectations not met",
        [(f"{item['expectation']} ({item['severity']})", item["message"]) for item in failed],
    )
    leakage = document["leakage"]
    if leakage["groups"]:
        pairs = [(first, second) for first, second in leakage["examples"]]
        listed(
            console,
            f"Leaking across the data's own splits: {leakage['pairs']} pairs, {leakage['groups']} groups",
            pairs,
        )
    console.print(f"Data version  {document['version']}", highlight=False)
    if document["data_docs"]:
        console.print(f"Data Docs     {document['data_docs']}", soft_wrap=True, markup=False, highlight=False)


def show_candidate(console: Console, document: Mapping[str, Any]) -> None:
    """The table `train` ends with."""
    facts(console, "A candidate is trained, not registered (95 % intervals in brackets)", _evidence(document))
    console.print(f"Report    {document['report']}", soft_wrap=True, markup=False, highlight=False)
    console.print("Next      hematovision register, with the same options", highlight=False)
    console.print(NOT_A_DEVICE, style="dim")


def show_run(console: Console, document: Mapping[str, Any]) -> None:
    """The short table `run` ends with, and where to look next."""
    model = document["model"]
    rows = _evidence(document) | {
        "model": f"{escape(model['name'])} version {model['version']}, alias challenger",
        "verdict": verdict_words(document["verdict"]),
        "time": f"{document['seconds']:.0f} s",
    }
    facts(console, "A challenger is registered (95 % intervals in brackets)", rows)
    console.print(f"Report    {document['report']}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"Verdict   {document['verdict']['page']}", soft_wrap=True, markup=False, highlight=False)
    console.print(
        f"Classify  hematovision predict --model {model['uri']} IMAGE…", soft_wrap=True, markup=False, highlight=False
    )
    console.print("Look      hematovision ui   (MLflow and ZenML in a browser)", highlight=False)
    console.print(NOT_A_DEVICE, style="dim")


def _evidence(document: Mapping[str, Any]) -> dict[str, str]:
    data, golden, folds = document["data"], document["golden"], document["cross_validation"]
    source = escape(data["source"]) + (
        "  [yellow]SYNTHETIC: generated cells, no patients[/]" if data["synthetic"] else ""
    )
    return {
        "data": source,
        "data version": data["version"],
        "cells": f"{data['n']} in {len(data['classes'])} classes, {data['quarantined']} quarantined",
        f"golden set, n = {golden['n']}": _scores(golden),
        f"{folds['folds']} folds, n = {folds['n']}": _scores(folds),
    }


def _scores(part: Mapping[str, Any]) -> str:
    return f"accuracy {interval(part['accuracy'])}\nmacro-F1 {interval(part['macro_f1'])}"
