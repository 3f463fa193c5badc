"""The gates of a version: each a figure held against a limit of the policy, in words a reviewer can act on."""

from collections.abc import Mapping
from math import ceil, log
from typing import Literal

from pydantic import BaseModel, ConfigDict

from hematovision.evaluation.comparison import Comparison, Difference
from hematovision.evaluation.intervals import Interval
from hematovision.evaluation.metrics import Evaluation
from hematovision.promotion.policy import AgainstChampion, Floors, Limit, Margin
from hematovision.promotion.wording import Unit, figure_words, interval_words, limit_words

_ROUNDING = 1e-9

About = Literal["evidence", "floor", "champion"]


class Gate(BaseModel):
    """One thing a version has to show.

    Attributes:
        name: as in the tag `gate.NAME`.
        about: evidence that the figures mean something, a floor of every version, or the champion.
        figure, limit: what was measured and what it is held against; None where the gate is no number.
        interval: of the figure. end: what the bad end of the interval is held against.
        more_is_better: on which side of the limit the figure should lie.
        says: the outcome and its reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    about: About
    passed: bool
    figure: float | None = None
    limit: float | None = None
    interval: Interval | None = None
    end: float | None = None
    unit: Unit = "share"
    more_is_better: bool = True
    says: str


def plain_gate(name: str, about: About, passed: bool, says: str) -> Gate:
    """A gate that is no number."""
    return Gate(name=name, about=about, passed=passed, says=says)


def at_least(name: str, about: About, count: int, limit: int, says: str) -> Gate:
    """A gate on a count."""
    return Gate(
        name=name, about=about, passed=count >= limit, figure=count, limit=limit, unit="count",
        says=f"{says}; at least {limit}",
    )  # fmt: skip


def bounded(
    name: str,
    about: About,
    what: str,
    interval: Interval,
    limit: float | None,
    end: float | None,
    *,
    unit: Unit,
    more_is_better: bool,
) -> Gate:
    """A gate on a figure with an interval: the figure may not pass the limit, nor the interval's bad end its own."""
    sign = 1 if more_is_better else -1
    reached = interval.low if more_is_better else interval.high
    missed = [
        words
        for words, found, bound in (("", interval.value, limit), ("the interval's end ", reached, end))
        if bound is not None and sign * (found - bound) < -_ROUNDING
        for words in (f"{words}{figure_words(found, unit)} is {'below' if more_is_better else 'above'} "
                      f"{figure_words(bound, unit)}",)
    ]  # fmt: skip
    told = f"{what} {figure_words(interval.value, unit)} ({interval_words(interval, unit)})"
    return Gate(
        name=name,
        about=about,
        passed=not missed,
        figure=interval.value,
        limit=limit,
        interval=interval,
        end=end,
        unit=unit,
        more_is_better=more_is_better,
        says=f"{told}: " + (" and ".join(missed) or limit_words(limit, end, unit, more_is_better)),
    )


def worst(name: str, gates: Mapping[str, Gate]) -> Gate:
    """One gate for all classes: the figures of the class nearest to its limits, and the words of all that failed."""
    failed = [gate.says for gate in gates.values() if not gate.passed]
    chosen = min(gates.values(), key=lambda gate: (gate.passed, _slack(gate)))
    others = len(gates) - 1
    calm = chosen.says + (f"; the {others} other classes are further from theirs" if others else "")
    return chosen.model_copy(update={"name": name, "says": "; ".join(failed) or calm})


def _slack(gate: Gate) -> float:
    """How far the figure or its interval's end is from its limit, the nearer of the two."""
    if gate.figure is None or gate.interval is None:
        return float("inf")
    sign, reached = (1, gate.interval.low) if gate.more_is_better else (-1, gate.interval.high)
    pairs = ((gate.figure, gate.limit), (reached, gate.end))
    return min((sign * (found - bound) for found, bound in pairs if bound is not None), default=float("inf"))


def floor_gates(evaluation: Evaluation, floors: Floors, *, latency_ms: float | None = None) -> list[Gate]:
    """What a version reaches by itself on its golden set.

    Args:
        latency_ms: for one picture; None where it was not measured.
    """

    def of(name: str, what: str, interval: Interval, limit: Limit, *, more: bool = True) -> Gate:
        return bounded(
            f"floor.{name}", "floor", what, interval, limit.value, limit.end, unit="share", more_is_better=more
        )

    rarest = min(evaluation.classes, key=lambda label: (evaluation.per_class[label].n, label))
    fewest = evaluation.per_class[rarest].n
    recalls = {label: scores.recall for label, scores in evaluation.per_class.items() if scores.recall}
    by_class = {
        label: of("recall", f"recall of {label}", found, floors.recall_by_class.get(label, floors.recall))
        for label, found in recalls.items()
    }
    gates = [
        at_least("floor.golden_cells", "floor", evaluation.n, floors.golden_cells, f"{evaluation.n} golden cells"),
        at_least("floor.cells_per_class", "floor", fewest, floors.cells_per_class, f"{fewest} cells of {rarest}"),
        of("accuracy", "accuracy", evaluation.accuracy, floors.accuracy),
        of("macro_f1", "macro-F1", evaluation.macro_f1, floors.macro_f1),
        worst("floor.recall", by_class),
        of("ece", "calibration error", evaluation.ece, floors.ece, more=False),
    ]
    if evaluation.trust:
        gates.append(of("set_coverage", "set coverage", evaluation.trust.sets.coverage, floors.set_coverage))
    if floors.latency_ms is not None:
        gates.append(_latency_floor(latency_ms, floors.latency_ms))
    return gates


def _latency_floor(found: float | None, limit: float) -> Gate:
    if found is None:
        return plain_gate("floor.latency", "floor", False, "the latency was not measured")
    told = f"one picture takes {figure_words(found, 'ms')}; at most {figure_words(limit, 'ms')}"
    return Gate(
        name="floor.latency", about="floor", passed=found <= limit, figure=found, limit=limit, unit="ms",
        more_is_better=False, says=told,
    )  # fmt: skip


def champion_gates(comparison: Comparison, policy: AgainstChampion) -> list[Gate]:
    """What a challenger may lose to the champion, on the same cells."""
    share, tail = comparison.effective_n / comparison.n, (1 - comparison.confidence) / 2

    def of(name: str, what: str, found: Difference, rule: Margin, cells: int | None = None) -> Gate:
        gate = _difference(f"champion.{name}", what, found, rule, unit="difference", more=True)
        hint = _too_few(cells * share, rule.margin, tail) if cells and not gate.passed else ""
        return gate.model_copy(update={"says": gate.says + hint})

    by_class = {
        label: of(
            "recall",
            f"recall of {label}",
            found,
            policy.recall_by_class.get(label, policy.recall),
            comparison.cells[label],
        )
        for label, found in comparison.recalls.items()
    }
    gates = [
        of("accuracy", "accuracy", comparison.accuracy, policy.accuracy, comparison.n),
        of("macro_f1", "macro-F1", comparison.macro_f1, policy.macro_f1),
        worst("champion.recall", by_class),
        of("set_coverage", "set coverage", comparison.set_coverage, policy.set_coverage, comparison.n),
        _difference("champion.set_size", "classes in a set", comparison.set_size, policy.set_size, unit="classes"),
        _difference("champion.ece", "calibration error", comparison.ece, policy.ece, unit="difference"),
    ]
    if comparison.latency and policy.latency.ratio is not None:
        gates.append(
            bounded(
                "champion.latency", "champion", "time for one picture, as a multiple of the champion's",
                comparison.latency.ratio, policy.latency.ratio, None, unit="times", more_is_better=False,
            )
        )  # fmt: skip
    return gates


def _difference(name: str, what: str, found: Difference, rule: Margin, *, unit: Unit, more: bool = False) -> Gate:
    sign = -1 if more else 1
    limits = [None if bound is None else sign * bound for bound in (rule.loss, rule.margin)]
    return bounded(name, "champion", what, found.difference, *limits, unit=unit, more_is_better=more)


def _too_few(independent: float, margin: float | None, tail: float) -> str:
    """Why a margin cannot be shown at all with so few cells, and how many would do where the models never differ."""
    if not margin or margin >= 1 or 1 - tail ** (1 / independent) <= margin:
        return ""
    needed = ceil(log(tail) / log(1 - margin))
    return (
        f" (even two models that agree on every cell would fail here: these cells are worth {independent:.0f} "
        f"independent ones, and such a margin needs {needed})"
    )
