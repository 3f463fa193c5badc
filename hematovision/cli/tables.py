"""How results look on a terminal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

NOT_A_DEVICE = "Not a medical device: the final word is a person's."


def interval(figure: Mapping[str, float]) -> str:
    """`0.981 (0.962–0.992)`."""
    return f"{figure['value']:.3f} ({figure['low']:.3f}–{figure['high']:.3f})"


def facts(console: Console, title: str, rows: Mapping[str, str]) -> None:
    """A short table of names and words under a title."""
    table = Table(title=title, show_header=False, title_justify="left", title_style="bold")
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def _scores(part: Mapping[str, Any]) -> str:
    return f"accuracy {interval(part['accuracy'])}\nmacro-F1 {interval(part['macro_f1'])}"


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


def verdict_words(verdict: Mapping[str, Any]) -> str:
    """The verdict in one line: passed, or the gates that were not."""
    against = f"against {verdict['champion']}" if verdict["champion"] else "no champion to compare with"
    if verdict["passed"]:
        return f"[bold green]passed[/] all {verdict['gates']} gates, {escape(against)}"
    return f"[bold red]failed[/] {escape(', '.join(verdict['failed']))}, {escape(against)}"


def show_candidate(console: Console, document: Mapping[str, Any]) -> None:
    """The table `train` ends with."""
    facts(console, "A candidate is trained, not registered (95 % intervals in brackets)", _evidence(document))
    console.print(f"Report    {document['report']}", soft_wrap=True, markup=False, highlight=False)
    console.print("Next      hematovision register, with the same options", highlight=False)
    console.print(NOT_A_DEVICE, style="dim")


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


def listed(console: Console, title: str, rows: list[tuple[str, str]], limit: int = 20) -> None:
    """Names and reasons under a title, so many at most; nothing where there is none."""
    if not rows:
        return
    table = Table(title=f"{title} ({len(rows)})", title_justify="left", title_style="bold", show_header=False)
    for first, second in rows[:limit]:
        table.add_row(escape(first), escape(second))
    if len(rows) > limit:
        table.add_row("…", f"and {len(rows) - limit} more (--json lists all)")
    console.print(table)


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


def _prediction(row: Mapping[str, Any]) -> tuple[str, ...]:
    strangeness = f"{row['strangeness']:.2f}"
    return (
        escape(row["path"]),
        escape(row["label"]),
        f"{row['probabilities'][row['label']]:.3f}",
        escape(", ".join(row["set"])),
        f"[bold yellow]{strangeness} strange[/]" if row["unlike_training"] else strangeness,
    )


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


def _trust(trust: Mapping[str, Any]) -> dict[str, str]:
    sets, strangeness = trust["sets"], trust["strangeness"]
    return {
        f"{100 * sets['asked']:g} % sets hold the truth": interval(sets["coverage"]),
        "classes in a set": interval(sets["mean_size"]),
        "flagged as strange": interval(strangeness["flagged"]),
    }


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


def show_verdict(console: Console, document: Mapping[str, Any]) -> None:
    """One row a gate, then what to know besides."""
    against = f"against {document['champion']}" if document["champion"] else "no champion to compare with"
    table = Table(title=f"{document['model']}, {against}", title_justify="left", title_style="bold", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for gate in document["gates"]:
        mark = "[green]passed[/]" if gate["passed"] else "[bold red]failed[/]"
        table.add_row(mark, escape(gate["name"]), escape(gate["says"]))
    console.print(table)
    for note in document["notes"]:
        console.print(f"Note: {note}", markup=False)
    console.print(f"Verdict   {'[bold green]passed[/]' if document['passed'] else '[bold red]failed[/]'}")
    console.print(f"Page      {document['page']}", soft_wrap=True, markup=False, highlight=False)
    console.print(NOT_A_DEVICE, style="dim")
