"""The verdict: does a window of new images still come from where the reference comes from?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from hematovision.errors import UsageError
from hematovision.monitoring.calibration import draw_windows, p_values, thresholds
from hematovision.monitoring.observations import PREDICTED_CLASS, SET_SIZE
from hematovision.monitoring.reference import Reference
from hematovision.monitoring.settings import DriftSettings
from hematovision.monitoring.signals import Array, Measurement, directions, measure_signals
from hematovision.monitoring.statistics import Windows, effective_size, median_squared_distance


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


@dataclass(frozen=True)
class Calibration:
    """What windows without drift look like, for one reference and one size and make-up of a window.

    Attributes:
        table: the reference's observations, with what they may have missed.
        windows: (B, M) drawn from the reference. drawn: every signal of each of them against the rest.
    """

    reference: Reference
    table: pd.DataFrame
    windows: Windows
    drawn: list[Measurement]
    squared_bandwidth: float
    false_alarm_rate: float

    def judge(self, observed: pd.DataFrame, embeddings: Array) -> list[Signal]:
        """The signals of a window, given as the reference's observation table (n rows) and embeddings (n, D)."""
        reference = self.reference
        pool = pd.concat([self.table, observed], ignore_index=True)
        pooled = np.concatenate([reference.embeddings, embeddings])
        window = np.repeat([0, 1], [len(reference), len(observed)])[None].astype(np.float32)
        actual = measure_signals(reference, pool, pooled, window, squared_bandwidth=self.squared_bandwidth)
        return _judge(self.drawn, self.windows, actual, window, self.false_alarm_rate)


def calibrate(
    reference: Reference,
    n: int,
    *,
    settings: DriftSettings,
    rng: np.random.Generator,
    groups: Sequence[str] | None = None,
) -> Calibration:
    """Draw windows of n cells from a reference and measure each against the rest; `groups` as in `detect_drift`."""
    bandwidth = median_squared_distance(directions(reference.embeddings))
    windows = draw_windows(
        reference.groups,
        list(reference.observations[PREDICTED_CLASS]),
        size=min(n, len(reference) // 2),
        count=settings.resamples,
        class_mix_concentration=settings.class_mix_concentration,
        rng=rng,
        cells_per_group=list(Counter(groups).values()) if groups else None,
    )
    table = _allow_for_unseen(reference.observations)
    drawn = measure_signals(reference, table, reference.embeddings, windows, squared_bandwidth=bandwidth)
    return Calibration(reference, table, windows, drawn, bandwidth, settings.false_alarm_rate)


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
    group as the reference does. Thresholds are calibrated for this n by comparing random windows of the reference with
    the rest of it; above half the reference they are carried over by the effective sample size.
    Raises UsageError when the window is empty or does not fit the reference.
    """
    rng = np.random.default_rng(seed)
    observed = reference.observe(embeddings, image_statistics, probabilities, doubts)
    if groups is not None and len(groups) != len(observed):
        raise UsageError(f"{len(groups)} groups do not fit {len(observed)} images; give one for each or none at all.")
    picked = _pick(len(observed), settings.maximum_window, rng)
    calibration = calibrate(
        reference, len(picked), settings=settings, rng=rng, groups=groups and [groups[row] for row in picked]
    )
    signals = calibration.judge(observed.iloc[picked], embeddings[picked].astype(np.float32))
    return DriftVerdict(
        n=len(observed),
        n_reference=len(reference),
        drift=any(signal.alarm for signal in signals),
        false_alarm_rate=settings.false_alarm_rate,
        signals=signals,
        notes=_notes(len(observed), reference, settings, doubts is not None),
        judged=picked.tolist(),
    )


def _allow_for_unseen(observations: pd.DataFrame) -> pd.DataFrame:
    """The table with one more class in the largest prediction set.

    Where all M sets hold one class, no drawn window would ever exceed that and a single larger set would be an alarm;
    but what M cells did not show may still happen to one in M (Laplace's rule of succession).
    """
    if SET_SIZE not in observations:
        return observations
    sizes = observations[SET_SIZE].to_numpy(dtype=np.float64, copy=True)
    sizes[sizes.argmax()] += 1
    return observations.assign(**{SET_SIZE: sizes})


def most_unusual(reference: Reference, embeddings: Array, *, count: int) -> NDArray[np.int64]:
    """Positions of the images least like any cell of the reference (cosine to the nearest one), worst first."""
    nearest = (directions(embeddings) @ directions(reference.embeddings).T).max(axis=1)
    return np.argsort(nearest, kind="stable")[:count]


def _pick(n: int, limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.arange(n) if n <= limit else np.sort(rng.permutation(n)[:limit])


def _judge(
    drawn: list[Measurement], windows: Windows, actual: list[Measurement], window: Windows, false_alarm_rate: float
) -> list[Signal]:
    """Compare on the scale where a signal's spread does not depend on the sizes, report on its own scale."""
    sizes = effective_size(windows)
    powers = np.array([signal.power for signal in actual])
    scales = effective_size(window)[0] ** powers
    values = np.array([signal.values[0] for signal in actual])
    null = np.stack([signal.values * sizes**signal.power for signal in drawn], axis=1)
    limits = thresholds(null, false_alarm_rate=false_alarm_rate) / scales
    chances = p_values(null, values * scales)
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
