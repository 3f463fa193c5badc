"""The plots of the drift report, each a standalone SVG document (see `evaluation.svg.draw`)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hematovision.evaluation.svg import BLUE, INK, MUTED, ORANGE, draw, label, percent_axis
from hematovision.monitoring.drift import Signal
from hematovision.monitoring.observations import PREDICTED_CLASS, component_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BARS_END = 4.0
"""Times the threshold at which a bar is cut, so that one loud signal does not hide the others."""


def signal_strengths(signals: Sequence[Signal]) -> str:
    """How many times its threshold each signal has reached; bars are cut at `_BARS_END`."""
    ratios = np.array([max(signal.value, 0) / max(signal.threshold, 1e-12) for signal in signals])
    end = min(_BARS_END, max(1.4, float(ratios.max())))
    colours = [ORANGE if signal.alarm else BLUE for signal in signals]

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        bars = axes.barh(range(len(signals)), np.minimum(ratios, end), color=colours, height=0.62)
        axes.bar_label(bars, [f"{ratio:.2f}×" if ratio < 10 else f"{ratio:.0f}×" for ratio in ratios], padding=4)
        axes.axvline(1, color=INK, linewidth=1.2)
        axes.set_yticks(range(len(signals)), [signal.name.replace("_", " ") for signal in signals])
        axes.set(xlim=(0, end * 1.12), ylim=(len(signals) - 0.4, -0.6), xlabel="times the threshold")
        axes.set_title("Signals against their thresholds")
        axes.tick_params(length=0)

    alarms = ", ".join(signal.name for signal in signals if signal.alarm) or "none"
    return draw(
        paint, width=6.4, height=0.9 + 0.27 * len(signals), description=f"Signals beyond their thresholds: {alarms}."
    )


def embedding_map(reference: pd.DataFrame, current: pd.DataFrame) -> str:
    """The two widest directions of the embedding: the reference's cells and the new ones over them."""
    x, y = component_names(2)

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.scatter(reference[x], reference[y], s=14, color=MUTED, alpha=0.35, linewidths=0, label="reference")
        axes.scatter(current[x], current[y], s=18, color=ORANGE, alpha=0.8, linewidths=0, label="new images")
        axes.set(xlabel="embedding 1", ylabel="embedding 2", title="Where the cells lie, as the network sees them")
        axes.legend(loc="best")

    return draw(
        paint,
        width=4.6,
        height=3.6,
        description="Map of the reference's and the new images' embeddings in two directions.",
    )


def class_mix(reference: pd.DataFrame, current: pd.DataFrame, classes: Sequence[str]) -> str:
    """Share of every predicted class in the reference and in the new images."""
    parts = ((reference, MUTED, "reference", -0.2), (current, ORANGE, "new images", 0.2))

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for table, colour, name, offset in parts:
            shares = [float((table[PREDICTED_CLASS] == one).mean()) for one in classes]
            axes.barh(np.arange(len(classes)) + offset, shares, height=0.36, color=colour, label=name)
        axes.set_yticks(range(len(classes)), [label(one, width=22) for one in classes])
        axes.set(ylim=(len(classes) - 0.4, -0.6), title="Predicted classes")
        percent_axis(axes, vertical=False)
        axes.tick_params(length=0)
        axes.legend(loc="best")

    return draw(
        paint, width=4.6, height=max(2.2, 1.1 + 0.42 * len(classes)), description="Shares of the predicted classes."
    )


def distribution(reference: pd.Series, current: pd.Series) -> str:
    """Histograms of one observed column, as shares of each part."""
    edges = np.histogram_bin_edges(np.concatenate([reference, current]), bins=28).tolist()
    name = str(reference.name).replace("_", " ")

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for values, colour, part in ((reference, MUTED, "reference"), (current, ORANGE, "new images")):
            weights = np.full(len(values), 1 / len(values))
            axes.hist(values, edges, weights=weights, color=colour, alpha=0.55, label=part)
        axes.set(title=name, ylabel="share of images")
        percent_axis(axes, vertical=True)
        axes.legend(loc="best")

    return draw(paint, width=4.6, height=2.5, description=f"Distribution of {name}, reference and new images.")
