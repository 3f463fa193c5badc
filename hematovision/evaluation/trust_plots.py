"""Plots of how far answers can be trusted, each a standalone SVG document (see `svg.draw`)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hematovision.evaluation.coverage import SetCoverage
from hematovision.evaluation.selection import RiskCoverage
from hematovision.evaluation.svg import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, draw, label, percent_axis
from hematovision.evaluation.trust import Strangeness

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HUES = (BLUE, GREEN)
_DASHES = ("-", (0, (5, 2)))
_DASHED = (0, (4, 3))


def coverage(scored: SetCoverage) -> str:
    """Share of sets that hold the truth, for each class and for all cells, around the confidence asked for."""
    rows = [(label(name, width=26, lines=2), c.coverage) for name, c in scored.per_class.items() if c.coverage]
    rows.append(("all cells", scored.coverage))

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.axvline(scored.asked, color=MUTED, linewidth=0.9, linestyle=_DASHED)
        for place, (_, found) in enumerate(rows):
            colour = ORANGE if place == len(rows) - 1 else BLUE
            axes.plot([found.low, found.high], [place, place], color=colour, linewidth=2.2, alpha=0.45)
            axes.plot([found.value], [place], "o", color=colour, markersize=5.5, clip_on=False)
        low = min(scored.asked, *(found.low for _, found in rows))
        axes.set(xlim=(max(0.0, low - 0.03), 1.005), ylim=(len(rows) - 0.4, -0.6), xlabel="sets that hold the truth")
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        percent_axis(axes, vertical=False)

    found = (
        f"{100 * scored.coverage.value:.1f} % of {scored.n} sets hold the truth, {100 * scored.asked:g} % were asked"
    )
    return draw(paint, width=5.6, height=0.7 + 0.34 * len(rows), description=f"Coverage by class: {found}.")


def selection(curves: Mapping[str, RiskCoverage]) -> str:
    """Error against the share of cells answered, the surest first; points at the shares asked for."""

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for index, (name, found) in enumerate(curves.items()):
            _curve(axes, name, found, index)
        top = max(point[1] for found in curves.values() for point in found.curve)
        axes.set(xlim=(0, 1.02), ylim=(-0.03 * max(top, 0.01), max(1.25 * top, 0.01)))
        axes.set(xlabel="share of cells answered, the surest first", ylabel="errors among them")
        axes.grid(axis="y")
        axes.legend(loc="upper left")
        percent_axis(axes, vertical=True)
        percent_axis(axes, vertical=False)

    areas = ", ".join(f"{name}: area {found.aurc:.4f}" for name, found in curves.items())
    return draw(paint, width=5.6, height=3.1, description=f"Error against the share of cells answered ({areas}).")


def _curve(axes: "Axes", name: str, found: RiskCoverage, index: int) -> None:
    shares, errors = zip(*found.curve, strict=True)
    axes.plot(shares, errors, color=_HUES[index % 2], linestyle=_DASHES[index % 2], linewidth=1.7, label=name)
    points = [(answered.share, answered.error.value) for answered in found.answered]
    axes.plot(*zip(*points, strict=True), "o", color=_HUES[index % 2], markersize=5.0)


def strangeness(found: Strangeness) -> str:
    """Scores of ordinary cells, and the limit above which a picture is flagged."""
    scores = np.asarray(found.scores)
    edges = np.linspace(0, max(1.5, float(scores.max()) * 1.02), 46)

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for part, colour in ((scores[scores <= 1], BLUE), (scores[scores > 1], ORANGE)):
            axes.hist(part, bins=edges.tolist(), color=colour, edgecolor=PAPER, linewidth=0.6)
        axes.axvline(1, color=INK, linewidth=1.0, linestyle=_DASHED)
        axes.annotate("flagged →", (1, 0.93), xycoords=("data", "axes fraction"), xytext=(5, 0),
                      textcoords="offset points", color=INK, fontsize=8.5)  # fmt: skip
        axes.set(xlim=(0, edges[-1]), xlabel="strangeness", ylabel="cells")
        axes.grid(axis="y")

    return draw(
        paint,
        width=5.6,
        height=2.6,
        description=f"Strangeness of {len(scores)} cells; {int((scores > 1).sum())} lie above the limit.",
    )
