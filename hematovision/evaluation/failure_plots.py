"""The plots of where a model fails: slices as dots with intervals, corruptions as a shaded table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hematovision.evaluation.robustness import CorruptionScore, Robustness
from hematovision.evaluation.slices import Slice, Slices
from hematovision.evaluation.svg import BLUE, INK, MUTED, ORANGE, PAPER, RULE, draw, label, percent_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FULL_SHADE = 0.5
"""A drop of half the cells or more has the deepest shade."""


def slice_name(part: Slice) -> str:
    """`nucleus shape: round`."""
    return f"{part.kind.replace('_', ' ')}: {part.value}"


def slice_dots(slices: Slices, *, limit: int) -> str:
    """The first `limit` slices, in order: those worse than the rest beyond chance, in orange, then the lowest."""
    shown = slices.slices[:limit]

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.axvline(slices.accuracy.value, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        for place, part in enumerate(shown):
            colour = ORANGE if part.worse else BLUE
            axes.plot([part.accuracy.low, part.accuracy.high], [place, place], color=colour, linewidth=2.2, alpha=0.45)
            axes.plot([part.accuracy.value], [place], "D" if part.worse else "o", color=colour, markersize=5.0)
        low = min(part.accuracy.low for part in shown)
        axes.set(xlim=(max(0.0, low - 0.03), 1.005), ylim=(len(shown) - 0.4, -0.6), xlabel="accuracy")
        axes.set_yticks(range(len(shown)), [label(slice_name(part), width=46, lines=1) for part in shown])
        _counts(axes, shown)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        percent_axis(axes, vertical=False)

    lowest = shown[0]
    return draw(
        paint,
        width=7.4,
        height=0.8 + 0.29 * len(shown),
        description=f"Accuracy of {len(shown)} slices of the {slices.cells}; the lowest is {slice_name(lowest)} with "
        f"{lowest.accuracy.value:.3f}, {len(slices.worse)} are worse than the rest beyond chance.",
    )


def _counts(axes: "Axes", shown: Sequence[Slice]) -> None:
    for place, part in enumerate(shown):
        text = f"{part.right} of {part.n}"
        axes.text(1.015, place, text, transform=axes.get_yaxis_transform(), va="center", color=MUTED, fontsize=8)


def robustness_table(robustness: Robustness) -> str:
    """Accuracy in per cent by corruption (rows, the worst first) and severity (columns), shaded by what was lost."""
    severities = sorted({score.severity for score in robustness.scores})
    by_name: dict[str, list[CorruptionScore]] = {}
    for score in robustness.scores:
        by_name.setdefault(score.corruption, []).append(score)
    names = sorted(by_name, key=lambda name: (-sum(score.drop for score in by_name[name]), name))

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for row, name in enumerate(names):
            for score in by_name[name]:
                _shaded(axes, row, severities.index(score.severity), score)
        axes.set(xlim=(-0.5, len(severities) - 0.5), ylim=(len(names) - 0.5, -0.5), xlabel="severity")
        axes.xaxis.set_label_position("top")
        axes.xaxis.tick_top()
        axes.set_xticks(range(len(severities)), [str(severity) for severity in severities])
        words = [f"{name}, {robustness.says[name]}" for name in names]
        axes.set_yticks(range(len(names)), [label(text, width=44, lines=1) for text in words])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    return draw(
        paint,
        width=3.2 + 0.8 * len(severities),
        height=0.7 + 0.36 * len(names),
        description=f"Accuracy under {len(names)} corruptions; the worst is {names[0]}.",
    )


def _shaded(axes: "Axes", row: int, column: int, score: CorruptionScore) -> None:
    from matplotlib.patches import Rectangle

    place, strength = (column - 0.48, row - 0.46), min(max(score.drop, 0.0) / _FULL_SHADE, 1.0)
    axes.add_patch(Rectangle(place, 0.96, 0.92, facecolor="none", edgecolor=RULE, linewidth=0.6))
    if strength:
        axes.add_patch(Rectangle(place, 0.96, 0.92, facecolor=ORANGE, alpha=strength, linewidth=0))
    shown = f"{100 * score.accuracy.value:.0f}"
    axes.text(column, row, shown, ha="center", va="center", fontsize=9, color=PAPER if strength > 0.6 else INK)
