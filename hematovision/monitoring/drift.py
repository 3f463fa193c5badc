"""The verdict: does a window of new images still come from where the reference comes from?"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from hematovision.errors import UsageError
from hematovision.monitoring.calibration import draw_windows, p_values, thresholds
from hematovision.monitoring.observations import PREDICTED_CLASS
from hematovision.monitoring.reference import Reference
from hematovision.monitoring.settings import DriftSettings
from hematovision.monitoring.signals import Array, Measurement, directions, measure_signals
from hematovision.monitoring.statistics import median_squared_distance

_NEW = "new: "
"""Before the names of new groups, so that none is taken for one of the reference."""


class Signal(BaseModel):
    """One statistic of the window against the reference; `alarm` is `value > threshold`.

    `p_value` is the share of drift-free windows of this size that are at least as far off in this signal alone.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    value: float
    threshold: float
    alarm: bool
    p_value: float
    statistic: str


class DriftVerdict(BaseModel):
    """Drift is declared when any signal is in alarm; without drift that happens at `false_alarm_rate` overall.

    `judged` are the positions of the images that were judged: all n, or a random sample of a large window.
    """

    model_config = ConfigDict(frozen=True)

    n: int
    n_reference: int
    drift: bool
    false_alarm_rate: float
    signals: list[Signal]
    notes: list[str]
    judged: list[int]

    @property
    def ranked(self) -> list[Signal]:
        """The signals, the one furthest beyond (or closest to) its threshold first."""
        return sorted(self.signals, key=lambda signal: (not signal.alarm, -signal.value / max(signal.threshold, 1e-12)))


def detect_drift(
    reference: Reference,
    embeddings: Array,
    image_statistics: pd.DataFrame,
    probabilities: Array,
    *,
    settings: DriftSettings,
    seed: int,
    groups: Sequence[str] | None = None,
    doubts: pd.DataFrame | None = None,
) -> DriftVerdict:
    """Judge a window of n images.

    Takes embeddings (n, D) of the reference's backbone, its image statistics (n, S), the model's probabilities (n, C)
    and, where the reference has them, set size and strangeness (`doubts`, n rows).
    `groups` names the slide, patient or photograph of each image; without it the window is taken to come group by
    group as the reference does. Thresholds come from comparing random windows of this size, drawn out of reference and
    new images together, with the rest: a permutation test, which holds however few groups there are. Without drift the
    new images are no more than another draw.
    Raises UsageError when the window is empty or does not fit the reference.
    """
    rng = np.random.default_rng(seed)
    observed = reference.observe(embeddings, image_statistics, probabilities, doubts)
    if groups is not None and len(groups) != len(observed):
        raise UsageError(f"{len(groups)} groups do not fit {len(observed)} images; give one for each or none at all.")
    picked = _pick(len(observed), settings.maximum_window, rng)
    names = groups and [groups[row] for row in picked]
    signals = judge(
        reference,
        observed.iloc[picked],
        embeddings[picked].astype(np.float32),
        settings=settings,
        rng=rng,
        groups=names,
    )
    return DriftVerdict(
        n=len(observed),
        n_reference=len(reference),
        drift=any(signal.alarm for signal in signals),
        false_alarm_rate=settings.false_alarm_rate,
        signals=signals,
        notes=_notes(len(observed), reference, settings, doubts is not None),
        judged=picked.tolist(),
    )


def judge(
    reference: Reference,
    observed: pd.DataFrame,
    embeddings: Array,
    *,
    settings: DriftSettings,
    rng: np.random.Generator,
    groups: Sequence[str] | None = None,
) -> list[Signal]:
    """Every signal of a window, given as the reference's observation table (n rows) and embeddings (n, D)."""
    pool = pd.concat([reference.observations, observed], ignore_index=True)
    pooled = np.concatenate([reference.embeddings, embeddings])
    bandwidth = median_squared_distance(directions(reference.embeddings))
    windows = draw_windows(
        [*reference.groups, *(f"{_NEW}{name}" for name in groups or _taken_group_by_group(reference, len(observed)))],
        list(pool[PREDICTED_CLASS]),
        size=len(observed),
        count=settings.resamples,
        class_mix_concentration=settings.class_mix_concentration,
        rng=rng,
        cells_per_group=list(Counter(groups).values()) if groups else None,
    )
    actual = np.repeat([0, 1], [len(reference), len(observed)])[None].astype(np.float32)
    draws = windows[_mixed(windows[:, len(reference) :].sum(axis=1), len(observed), len(pool))]
    drawn, found = (
        measure_signals(reference, pool, pooled, rows, squared_bandwidth=bandwidth) for rows in (draws, actual)
    )
    return _against(drawn, found, settings)


def _mixed(new: NDArray[np.float32], n: int, total: int) -> NDArray[np.bool_]:
    """Which draws, holding so many `new` images, are not nearly the window itself.

    Those would hide any shift of a window of very few groups. Left out is what lies more than halfway between the share
    of new images to be expected and all of them, which of many groups hardly any draw does.
    """
    return np.asarray(new <= n * (1 + n / total) / 2)


def _taken_group_by_group(reference: Reference, n: int) -> list[str]:
    """Groups for n images of which none is known: in their order, of the size that is usual in the reference."""
    usual = int(np.median(list(Counter(reference.groups).values())))
    return [str(number // usual) for number in range(n)]


def most_unusual(reference: Reference, embeddings: Array, *, count: int) -> NDArray[np.int64]:
    """Positions of the images least like any cell of the reference (cosine to the nearest one), worst first."""
    nearest = (directions(embeddings) @ directions(reference.embeddings).T).max(axis=1)
    return np.argsort(nearest, kind="stable")[:count]


def _pick(n: int, limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.arange(n) if n <= limit else np.sort(rng.permutation(n)[:limit])


def _against(drawn: list[Measurement], actual: list[Measurement], settings: DriftSettings) -> list[Signal]:
    smallest = {str(name): shift for name, shift in settings.smallest_shift.items()}
    least = np.array([smallest.get(signal.name, -np.inf) for signal in actual])
    values = np.array([signal.values[0] for signal in actual])
    null = np.stack([signal.values for signal in drawn], axis=1)
    # A model that is nearly always sure shows shifts that are certain and that nobody would act on.
    limits = np.maximum(thresholds(null, false_alarm_rate=settings.false_alarm_rate), least)
    chances = p_values(null, values)
    return [
        Signal(
            name=signal.name,
            value=float(value),
            threshold=float(limit),
            alarm=bool(value > limit),
            p_value=float(chance),
            statistic=signal.statistic,
        )
        for signal, value, limit, chance in zip(actual, values, limits, chances, strict=True)
    ]


def _notes(n: int, reference: Reference, settings: DriftSettings, doubts_known: bool) -> list[str]:
    notes = []
    if n < settings.low_power_below:
        notes.append(
            f"Only {n} image{'s' if n > 1 else ''}: a real shift can go unseen. Check {settings.low_power_below} or"
            " more before trusting that there is no drift."
        )
    if n > settings.maximum_window:
        notes.append(f"Judged by a random sample of {settings.maximum_window} of the {n} images.")
    groups = len(set(reference.groups))
    if groups < settings.few_groups_below:
        notes.append(
            f"The reference has only {groups} groups (slides, patients): thresholds are coarse, a new slide may alarm."
        )
    if doubts_known and not reference.knows_doubts:
        notes.append("The reference was made before set size and strangeness were kept: these two are not compared.")
    return notes
