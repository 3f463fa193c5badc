"""The drift history as a page: for every model and site, signals, rates and accuracy over time."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import matplotlib.dates
import numpy as np

from hematovision.evaluation.svg import BLUE, GREEN, INK, MUTED, ORANGE, draw, inline, percent_axis
from hematovision.monitoring.history import KeptCheck

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_END = 4.0
"""Times the threshold at which the axis of signals is cut."""
_MINUTE = 1 / 1440
_RATES = (("unlike_training", ORANGE, "unlike training"), ("more_than_one_class", BLUE, "more than one class"))


def render_timeline(checks: Sequence[KeptCheck]) -> str:
    """One self-contained HTML document over checks in the order they were made, a section each model and site."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("hematovision.monitoring", "."), autoescape=select_autoescape(["html.j2"], default=True),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    series = by_subject(checks)
    sections = [
        {
            "model": one[-1].model,
            "site": one[-1].site,
            "last": one[-1],
            "figures": [inline(figure, prefix=f"s{number}f{place}") for place, figure in enumerate(_figures(one))],
            "rows": one[::-1],
        }
        for number, one in enumerate(series)
    ]
    return environment.get_template("timeline.html.j2").render(sections=sections, n=len(checks))


def by_subject(checks: Sequence[KeptCheck]) -> list[list[KeptCheck]]:
    """The checks of each model and site, in order; those with an alarm that stands come first, then the latest."""
    found: dict[tuple[str, str | None], list[KeptCheck]] = {}
    for check in checks:
        found.setdefault((check.model, check.site), []).append(check)
    return sorted(found.values(), key=lambda one: (one[-1].state != "raised", -one[-1].number))


def strength(check: KeptCheck) -> float:
    """How many times its threshold the strongest signal has reached; above 1 is an alarm."""
    return max(max(signal.value, 0.0) / max(signal.threshold, 1e-12) for signal in check.signals)


def _figures(checks: Sequence[KeptCheck]) -> list[str]:
    return [strengths_over_time(checks), rates_over_time(checks)]


def strengths_over_time(checks: Sequence[KeptCheck]) -> str:
    """The strongest signal of each check against its threshold, and when an alarm stood."""
    times = _days(checks)
    heights = np.minimum([strength(check) for check in checks], _END)

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        _shade_alarms(axes, checks, times)
        axes.plot(times, heights, color=MUTED, linewidth=1)
        axes.scatter(times, heights, s=26, color=[ORANGE if one.drift else BLUE for one in checks], zorder=3)
        axes.axhline(1, color=INK, linewidth=1.2)
        axes.set(ylim=(0, max(1.4, float(heights.max()) * 1.1)), ylabel="times the threshold")
        axes.set_title("The strongest signal of each check; above the line is drift")
        _date_axis(axes, times)

    alarms = sum(check.drift for check in checks)
    return draw(
        paint, width=7.2, height=2.5, description=f"Strongest signals over time: {alarms} of {len(checks)} drift."
    )


def rates_over_time(checks: Sequence[KeptCheck]) -> str:
    """Shares of doubtful answers, and the accuracy among cells that people decided about, with its interval."""
    times = _days(checks)
    judged = [(time, check.accuracy) for time, check in zip(times, checks, strict=True) if check.accuracy]

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for name, colour, words in _RATES:
            shares = [check.rates.get(name, np.nan) for check in checks]
            axes.plot(times, shares, color=colour, linewidth=1.4, marker="o", markersize=3, label=words)
        if judged:
            values = np.array([known.value for _, known in judged])
            limits = [[getattr(known, side) for _, known in judged] for side in ("low", "high")]
            spread = np.abs(np.array(limits) - values)
            axes.errorbar(
                [time for time, _ in judged], values, yerr=spread, color=GREEN, fmt="s", markersize=4, linewidth=1,
                label="right, of those decided about",
            )  # fmt: skip
        axes.set(ylim=(-0.03, 1.03))
        axes.set_title("Answers in doubt, and how often people agreed")
        percent_axis(axes, vertical=True)
        _date_axis(axes, times)
        axes.legend(loc="best")

    return draw(paint, width=7.2, height=2.5, description="Shares of doubtful answers and reviewed accuracy over time.")


def _days(checks: Sequence[KeptCheck]) -> list[float]:
    """When they were made, as matplotlib counts days."""
    dates: Any = matplotlib.dates
    return [float(dates.date2num(datetime.fromisoformat(check.time))) for check in checks]


def _shade_alarms(axes: "Axes", checks: Sequence[KeptCheck], times: Sequence[float]) -> None:
    ends = [*times[1:], times[-1]]
    for check, start, end in zip(checks, times, ends, strict=True):
        if check.state == "raised":
            axes.axvspan(start, end, color=ORANGE, alpha=0.12, linewidth=0)


def _date_axis(axes: "Axes", times: Sequence[float]) -> None:
    dates: Any = matplotlib.dates
    margin = max((times[-1] - times[0]) / 40, _MINUTE)
    axes.set_xlim(times[0] - margin, times[-1] + margin)
    locator = dates.AutoDateLocator(maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
