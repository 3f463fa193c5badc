"""The result as a table in the terminal, as Markdown and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from benchmarks.learning.race import Run
from benchmarks.learning.summary import Aim, Line, Result
from benchmarks.machine import busy, in_words

HEADINGS = ("contestant", "rounds", "accuracy", "95 %", "macro-F1", "seconds", "from–to", "processor", "learning")
IN_EIGHTY_COLUMNS = {"contestant", "accuracy", "95 %", "seconds", "processor"}


def cells_of(line: Line) -> tuple[str, ...]:
    """One row of the table; seconds of the whole process, of its processors, and without start and imports."""
    accuracy = line.scores.accuracy
    return (
        line.contestant,
        str(line.rounds),
        f"{accuracy.value:.3f}",
        f"{accuracy.low:.3f}–{accuracy.high:.3f}",
        f"{line.scores.macro_f1.value:.3f}",
        f"{line.wall:.1f}",
        f"{line.fastest:.1f}–{line.slowest:.1f}",
        f"{line.processor:.1f}",
        f"{line.learning:.1f}",
    )


def aim_in_words(aim: Aim) -> str:
    """One sentence, with its verdict."""
    accuracy = "no less accurate" if aim.behind <= 0 else f"{100 * aim.behind:.1f} points less accurate"
    return (
        f"{'met' if aim.met else 'NOT met'}: {aim.who}, {aim.ratio:.1f} times as fast as {aim.than} (asked: "
        f"{aim.times:.0f}; by processor time {aim.processor_ratio:.1f}), {accuracy}."
    )


def table(lines: Sequence[Line]) -> Table:
    """For a person at a terminal."""
    view = Table(title="Learning, side by side")
    for number, heading in enumerate(HEADINGS):
        if heading in IN_EIGHTY_COLUMNS:
            view.add_column(heading, justify="left" if number == 0 else "right", no_wrap=True)
    for line in lines:
        told = zip(HEADINGS, cells_of(line), strict=True)
        view.add_row(*(text for heading, text in told if heading in IN_EIGHTY_COLUMNS))
    return view


def markdown(result: Result) -> str:
    """The whole result on a page."""
    terms, rows = result.terms, ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    rows += ["| " + " | ".join(cells_of(line)) + " |" for line in result.lines]
    parts = [
        "# Learning, side by side",
        f"{result.what}; pictures of {terms.pixels} px, MobileNetV2 with the same ImageNet weights, {terms.epochs} "
        f"epochs ({terms.recipe_epochs} of the published recipe), {terms.threads} threads, seed {terms.seed}.",
        in_words(result.machine),
        *(["**Other work was running: compare ratios, not seconds.**"] if busy(result.machine) else []),
        "\n".join(rows),
        "Seconds are medians of whole processes, imports included; `processor` adds up all cores; `learning` leaves "
        "the start of Python and imports out. Accuracy is that of all test cells of all rounds together.",
        "\n".join(f"- {aim_in_words(aim)}" for aim in result.aims),
        f"Versions: {'; '.join(_versions(result.runs))}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _versions(runs: Sequence[Run]) -> list[str]:
    told = {run.contestant: ", ".join(f"{name} {text}" for name, text in run.versions.items()) for run in runs}
    return [f"{name}: {text}" for name, text in told.items()]


def document(result: Result) -> dict[str, Any]:
    """Everything, for a program."""
    lines, runs = [asdict(line) for line in result.lines], [asdict(run) for run in result.runs]
    for told, line in zip(lines, result.lines, strict=True):
        told["scores"] = line.scores.model_dump(include={"n", "groups", "accuracy", "macro_f1", "ece"})
    for told in runs:
        del told["probabilities"]
    return {
        "schema": 1,
        "machine": result.machine,
        "busy": busy(result.machine),
        "data": result.what,
        "terms": asdict(result.terms),
        "contestants": lines,
        "aims": [{**asdict(aim), "met": aim.met} for aim in result.aims],
        "runs": runs,
    }
