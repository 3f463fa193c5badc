"""The plots of an evaluation, each a standalone SVG document (see `svg.draw`)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from hematovision.evaluation.cross_validation import CrossValidation
from hematovision.evaluation.intervals import Interval
from hematovision.evaluation.metrics import Evaluation
from hematovision.evaluation.svg import BLUE, GREEN, INK, MUTED, ORANGE, PAPER, RULE, draw, label, percent_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HUES = (BLUE, ORANGE, GREEN, MUTED)
_HATCHES = ("", "////", "....", "xxxx")


class LearningCurve(BaseModel):
    """One training: its name (`final`, `fold 0`) and per metric one value an epoch; metrics called `... loss` share a
    panel, all others (shares in 0..1) the second one. `frozen_epochs` of them trained the head only."""

    model_config = ConfigDict(frozen=True)

    name: str
    frozen_epochs: int = 0
    metrics: dict[str, list[float]]


def confusion_matrix(evaluation: Evaluation) -> str:
    """Counts of predicted classes (columns) per true class (rows), shaded by the share of the row."""
    counts = np.asarray(evaluation.confusion)
    size = len(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(1.6, min(0.52 * size, 9.0))

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for row, column in np.ndindex(size, size):
            _cell(axes, row, column, int(counts[row, column]), float(shares[row, column]), on=row == column)
        names = [label(name, width=18) for name in evaluation.classes]
        axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), aspect="equal", xlabel="predicted", ylabel="true")
        short = [label(name, width=22, lines=1) for name in evaluation.classes]
        axes.set_xticks(range(size), short, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(size), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    right = int(np.trace(counts))
    return draw(
        paint,
        width=side + 2.2,
        height=side + 1.7,
        description=f"Confusion matrix: {right} of {counts.sum()} cells on the diagonal.",
    )


def _cell(axes: "Axes", row: int, column: int, count: int, share: float, *, on: bool) -> None:
    from matplotlib.patches import Rectangle

    place = (column - 0.47, row - 0.47)
    axes.add_patch(Rectangle(place, 0.94, 0.94, facecolor="none", edgecolor=RULE, linewidth=0.6))
    if count:
        strength = 0.15 + 0.85 * share
        axes.add_patch(Rectangle(place, 0.94, 0.94, facecolor=BLUE if on else ORANGE, alpha=strength, linewidth=0))
        colour = PAPER if strength > 0.6 else INK
        axes.text(column, row, f"{count}", ha="center", va="center", color=colour, fontsize=8.5)


def reliability(evaluation: Evaluation) -> str:
    """Accuracy against confidence with intervals, over the number of cells in each bin."""
    bins = evaluation.reliability

    def paint(figure: "Figure") -> None:
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        start = min(0.5, *(b.low for b in bins))
        top.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), label="perfectly calibrated")
        _points(top, [b.confidence for b in bins], [b.accuracy for b in bins], colour=BLUE)
        top.set(xlim=(start, 1.01), ylim=(-0.02, 1.02), ylabel="accuracy")
        top.legend(loc="lower right")
        widths = [b.high - b.low for b in bins]
        bottom.bar([b.low for b in bins], [b.n for b in bins], widths, align="edge", color=BLUE, edgecolor=PAPER)
        bottom.set(ylabel="cells", xlabel="confidence (highest probability)")
        for axes in (top, bottom):
            axes.grid(axis="y")
        percent_axis(top, vertical=True)
        percent_axis(bottom, vertical=False)

    return draw(
        paint,
        width=5.6,
        height=4.4,
        description=f"Reliability curve of {evaluation.n} cells, calibration error {evaluation.ece.value:.3f}.",
    )


def class_f1(evaluation: Evaluation) -> str:
    """F1 of each class present in the truth, with intervals, worst class first."""
    scored = [(name, m.f1) for name, m in evaluation.per_class.items() if m.f1 is not None]
    scored.sort(key=lambda pair: pair[1].value)
    worst, score = scored[0]
    return _intervals(
        [label(name, width=26, lines=2) for name, _ in scored],
        [f1 for _, f1 in scored],
        axis_label="F1",
        description=f"F1 of {len(scored)} classes; the lowest is {worst} with {score.value:.3f}.",
    )


def folds(cross_validation: CrossValidation) -> str:
    """Accuracy of each fold with its interval, and the mean."""
    results = cross_validation.folds
    return _intervals(
        [f"fold {r.fold}" for r in results] + ["mean"],
        [r.accuracy for r in results] + [cross_validation.accuracy],
        axis_label="accuracy",
        description=f"Accuracy of {len(results)} folds; their mean is {cross_validation.accuracy.value:.3f}.",
        last_stands_out=True,
    )


def _intervals(
    names: Sequence[str],
    intervals: Sequence[Interval],
    *,
    axis_label: str,
    description: str,
    last_stands_out: bool = False,
) -> str:
    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        places = range(len(names))
        for place, interval in zip(places, intervals, strict=True):
            colour = ORANGE if last_stands_out and place == len(names) - 1 else BLUE
            axes.plot([interval.low, interval.high], [place, place], color=colour, linewidth=2.2, alpha=0.45)
            axes.plot([interval.value], [place], "o", color=colour, markersize=5.5)
        low = min(interval.low for interval in intervals)
        axes.set(xlim=(max(0.0, low - 0.03), 1.005), ylim=(len(names) - 0.4, -0.6), xlabel=axis_label)
        axes.set_yticks(places, names)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        if axis_label == "accuracy":
            percent_axis(axes, vertical=False)

    return draw(paint, width=6.0, height=0.7 + 0.34 * len(names), description=description)


def _points(axes: "Axes", places: Sequence[float], intervals: Sequence[Interval], *, colour: str) -> None:
    values = np.array([interval.value for interval in intervals])
    reach = np.array([[i.value - i.low for i in intervals], [i.high - i.value for i in intervals]])
    axes.plot(places, values, color=colour, linewidth=0.9, alpha=0.45)
    axes.vlines(places, values - reach[0], values + reach[1], color=colour, linewidth=2.2, alpha=0.45)
    axes.plot(places, values, "o", color=colour, markersize=5.0)


def class_counts(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Cells per class as stacked bars, one hue and hatch per split; `counts[class][split]`."""
    splits = list(dict.fromkeys(split for row in counts.values() for split in row))

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        start = np.zeros(len(counts))
        for index, split in enumerate(splits):
            sizes = np.array([row.get(split, 0) for row in counts.values()], dtype=float)
            bars = axes.barh(range(len(counts)), sizes, left=start, height=0.62, label=split, linewidth=0.0)
            for bar in bars:
                bar.set(facecolor=_HUES[index % 4], hatch=_HATCHES[index % 4], edgecolor=PAPER)
            start += sizes
        axes.set_yticks(range(len(counts)), [label(name, width=26, lines=2) for name in counts])
        axes.set(ylim=(len(counts) - 0.4, -0.6), xlabel="cells")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        if len(splits) > 1:
            figure.legend(loc="outside upper right", ncols=len(splits))

    total = sum(sum(row.values()) for row in counts.values())
    height = 1.0 + 0.34 * max(len(counts), 1)
    return draw(paint, width=6.0, height=height, description=f"Cells per class and split, {total} in all.")


def learning_curves(curves: Sequence[LearningCurve]) -> str:
    """Losses and scores by epoch; the last curve stands out, a dotted line marks its first fine-tuning epoch."""

    def paint(figure: "Figure") -> None:
        from matplotlib.ticker import MaxNLocator

        panels = figure.subplots(1, 2, squeeze=False)[0]
        for axes, title, losses in ((panels[0], "loss", True), (panels[1], "score", False)):
            _panel(axes, curves, losses=losses)
            axes.set_title(title)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
            axes.grid(axis="y")
        percent_axis(panels[1], vertical=True)

    names = ", ".join(curve.name for curve in curves)
    return draw(paint, width=7.4, height=3.0, description=f"Learning curves of {names}.")


def _panel(axes: "Axes", curves: Sequence[LearningCurve], *, losses: bool) -> None:
    metrics = [m for m in dict.fromkeys(name for c in curves for name in c.metrics) if m.endswith("loss") == losses]
    for curve in curves:
        last = curve is curves[-1]
        for metric in metrics:
            values = curve.metrics.get(metric, [])
            line = axes.plot(range(1, len(values) + 1), values, color=_HUES[metrics.index(metric) % 4])[0]
            line.set(linewidth=1.8, label=metric) if last else line.set(linewidth=0.8, alpha=0.35)
    if curves and 0 < curves[-1].frozen_epochs < max((len(v) for v in curves[-1].metrics.values()), default=0):
        axes.axvline(curves[-1].frozen_epochs + 0.5, color=MUTED, linewidth=0.9, linestyle=":")
    if metrics:
        axes.legend(loc="best")
