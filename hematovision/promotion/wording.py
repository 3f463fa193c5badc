"""Figures of a verdict in words: per cent, points, classes, multiples."""

from typing import Literal

from hematovision.evaluation.intervals import Interval

Unit = Literal["share", "difference", "classes", "times", "ms", "count"]


def figure_words(value: float, unit: Unit) -> str:
    """`97.4 %`, `−1.4 points`, `+0.12 classes`, `1.3 times`, `12 ms`, `144`; less than all is never `100.0 %`."""
    if unit == "share":
        return f"{_short_of(value)} %"
    if unit == "difference":
        return f"{_signed(100 * value, 1)} points"
    if unit == "classes":
        return f"{_signed(value, 2)} classes"
    if unit == "times":
        return f"{value:.2f} times"
    return f"{value:.1f} ms" if unit == "ms" else f"{value:g}"


def interval_words(interval: Interval, unit: Unit) -> str:
    """The limits: `93.5–99.3`, or `−3.9 to +0.7` where they have a sign."""
    low, high = (figure_words(end, unit).rsplit(" ", 1)[0] for end in (interval.low, interval.high))
    return f"{low} to {high}" if unit in ("difference", "classes") else f"{low}–{high}"


def limit_words(limit: float | None, end: float | None, unit: Unit, more_is_better: bool) -> str:
    """`at least 90.0 %, its end at least 80.0 %`."""
    bound = "at least" if more_is_better else "at most"
    parts = [
        f"{words}{bound} {figure_words(value, unit)}"
        for words, value in (("", limit), ("the interval's end ", end))
        if value is not None
    ]
    return ", ".join(parts) or "no limit in the policy"


def _short_of(share: float) -> str:
    shown = f"{100 * share:.1f}"
    return "99.9" if shown == "100.0" and share < 1 else shown


def _signed(value: float, digits: int) -> str:
    shown = f"{abs(value):.{digits}f}"
    if float(shown) == 0:
        return "0"
    return ("−" if value < 0 else "+") + shown
