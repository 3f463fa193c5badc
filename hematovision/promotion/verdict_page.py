"""The verdict as one page that needs nothing else: what passed, by how much, and which cells changed hands."""

from collections.abc import Sequence
from dataclasses import dataclass

from hematovision.config import EvaluationSettings
from hematovision.errors import HematoVisionError
from hematovision.evaluation.comparison import Comparison, Difference
from hematovision.evaluation.intervals import Interval
from hematovision.evaluation.pictures import Load, Picture, picture
from hematovision.evaluation.report import digits, percent
from hematovision.promotion.gates import About, Gate
from hematovision.promotion.rivals import ChangedCell
from hematovision.promotion.verdict import Verdict
from hematovision.promotion.wording import Unit, figure_words, interval_words

TITLES: dict[str, tuple[About, str]] = {
    "Can the figures be believed?": ("evidence", "Before any figure counts: where it comes from."),
    "Is it good enough by itself?": ("floor", "Floors that every version has to reach, the first one too."),
    "Is it no worse than the champion?": (
        "champion",
        "Both models on the same cells, one against the other: what is left of zero is lost.",
    ),
}
NAMES = {
    "data_validated": "data validated",
    "lineage_complete": "lineage complete",
    "golden_untouched": "golden cells never learnt from",
    "ece": "calibration error",
    "macro_f1": "macro-F1",
    "set_size": "classes in a set",
    "comparable": "fair comparison",
    "classes_kept": "classes kept",
    "real_cells": "real cells",
}


@dataclass(frozen=True)
class Bar:
    """Where a figure, its interval and its limits lie on a scale, in per cent of its width; None is not drawn."""

    value: float
    low: float
    high: float
    limit: float | None
    end: float | None
    zero: float | None


@dataclass(frozen=True)
class Row:
    """A gate as a line of the page."""

    gate: Gate
    name: str
    figure: str
    limits: str
    bar: Bar | None


@dataclass(frozen=True)
class Side:
    """A figure of both models, for the table of all of them."""

    name: str
    challenger: str
    champion: str
    difference: str
    limits: str
    bar: Bar


@dataclass(frozen=True)
class Shown:
    """A cell that changed hands, with its picture."""

    cell: ChangedCell
    picture: Picture


def render_verdict(verdict: Verdict, load: Load, settings: EvaluationSettings) -> str:
    """The page as one string of HTML: no script, no request, and every name in it escaped.

    Args:
        load: gives the RGB image of a sha256. settings: sides and quality of the thumbnails.
    """
    from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined

    environment = Environment(
        loader=PrefixLoader({name: PackageLoader(f"hematovision.{name}", ".") for name in ("promotion", "evaluation")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, digits=digits)
    shown = int(verdict.policy["shown_cells"])
    return environment.get_template("promotion/verdict.html.j2").render(
        verdict=verdict,
        sections=[(title, text, rows) for title, (about, text) in TITLES.items() if (rows := _rows(verdict, about))],
        failed=[row for about, _ in TITLES.values() for row in _rows(verdict, about) if not row.gate.passed],
        sides=_sides(verdict.comparison) if verdict.comparison else [],
        changed=[
            (title, words, _pictures(cells[:shown], load, settings), cells)
            for title, words, cells in (
                ("Lost", "only the champion gets these right", verdict.lost),
                ("Won", "only this version gets these right", verdict.won),
            )
        ],
    )  # fmt: skip


def _rows(verdict: Verdict, about: About) -> list[Row]:
    return [_row(gate) for gate in verdict.gates if gate.about == about]


def _row(gate: Gate) -> Row:
    key = gate.name.rpartition(".")[2]
    return Row(
        gate=gate,
        name=NAMES.get(key, key.replace("_", " ")),
        figure="" if gate.figure is None else figure_words(gate.figure, gate.unit),
        limits="" if gate.interval is None else interval_words(gate.interval, gate.unit),
        bar=None if gate.interval is None else _bar(gate.interval, gate.limit, gate.end, gate.unit, _extent(gate)),
    )


def _extent(gate: Gate) -> float:
    found = [gate.interval.low, gate.interval.high] if gate.interval else []
    return max(abs(value) for value in [*found, gate.limit or 0.0, gate.end or 0.0, 1e-3])


def _bar(interval: Interval, limit: float | None, end: float | None, unit: Unit, reach: float) -> Bar:
    """On a scale from 0 to 1 for shares, around zero for differences, around once for multiples."""
    if unit == "share":
        low, high, zero = 0.0, 1.0, None
    elif unit == "times":
        low, high, zero = 0.0, max(2.0, interval.high, limit or 0.0), 1.0
    else:
        low, high, zero = -reach, reach, 0.0

    def place(value: float) -> float:
        return round(2 + 96 * (value - low) / (high - low), 2)

    ends = [None if bound is None else place(bound) for bound in (limit, end, zero)]
    return Bar(place(interval.value), place(interval.low), place(interval.high), *ends)


def _sides(comparison: Comparison) -> list[Side]:
    overall = {
        "accuracy": comparison.accuracy,
        "macro-F1": comparison.macro_f1,
        **{f"recall of {label}, {comparison.cells[label]} cells": one for label, one in comparison.recalls.items()},
        "set coverage": comparison.set_coverage,
        "calibration error": comparison.ece,
    }
    reach = max(max(abs(one.difference.low), abs(one.difference.high)) for one in overall.values())
    return [_side(name, one, reach) for name, one in overall.items()]


def _side(name: str, found: Difference, reach: float) -> Side:
    return Side(
        name=name,
        challenger=figure_words(found.challenger, "share"),
        champion=figure_words(found.champion, "share"),
        difference=figure_words(found.difference.value, "difference"),
        limits=interval_words(found.difference, "difference"),
        bar=_bar(found.difference, None, None, "difference", reach or 0.1),
    )


def _pictures(cells: Sequence[ChangedCell], load: Load, settings: EvaluationSettings) -> list[Shown]:
    side, quality = settings.thumbnail_side, settings.thumbnail_quality
    shown = [Shown(cell, picture(load(cell.sha256), cell.path, side=side, quality=quality)) for cell in cells]
    if any(not one.picture.src.startswith("data:image/") for one in shown):
        raise HematoVisionError("the verdict's page takes pictures as data URIs only")
    return shown
