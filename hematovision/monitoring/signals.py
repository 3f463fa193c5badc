"""What is compared between a window and the rest: a statistic for each observed column, and two for the embedding."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hematovision.monitoring import statistics
from hematovision.monitoring.observations import CONFIDENCE, ENTROPY, PREDICTED_CLASS, SET_SIZE, STRANGENESS
from hematovision.monitoring.reference import Reference
from hematovision.monitoring.statistics import Values, Windows

Array = NDArray[np.float32]
ColumnStatistic = Callable[[pd.Series, Windows], Values]

EMBEDDING = "embedding"
EMBEDDING_MEAN = "embedding_mean"


@dataclass(frozen=True)
class Measurement:
    """One signal of B windows: `values` (B,), larger is further off."""

    name: str
    statistic: str
    values: Values


def _shape(column: pd.Series, windows: Windows) -> Values:
    return statistics.kolmogorov_smirnov(column.to_numpy(dtype=np.float64), windows)


def _class_mix(column: pd.Series, windows: Windows) -> Values:
    return statistics.jensen_shannon(pd.get_dummies(column).to_numpy(dtype=np.float64), windows)


def _fall(column: pd.Series, windows: Windows) -> Values:
    return -statistics.mean_difference(column.to_numpy(dtype=np.float64), windows)


def _rise(column: pd.Series, windows: Windows) -> Values:
    return statistics.mean_difference(column.to_numpy(dtype=np.float64), windows)


COLUMN_STATISTICS: Mapping[str, ColumnStatistic] = {
    "Kolmogorov-Smirnov": _shape,
    "Jensen-Shannon distance": _class_mix,
    "fall of the mean": _fall,
    "rise of the mean": _rise,
}

# One-sided: the final model is a little surer on new cells than the folds' models were on theirs, which is no drift.
_SPECIAL = {
    PREDICTED_CLASS: "Jensen-Shannon distance",
    CONFIDENCE: "fall of the mean",
    ENTROPY: "rise of the mean",
    SET_SIZE: "rise of the mean",
    STRANGENESS: "rise of the mean",
}


def measure_signals(
    reference: Reference, table: pd.DataFrame, embeddings: Array, windows: Windows, *, squared_bandwidth: float
) -> list[Measurement]:
    """Every signal over a pool of N images: its observation table, embeddings (N, D) and windows (B, N)."""
    measured = []
    for name in table.columns:
        statistic = _SPECIAL.get(name, "Kolmogorov-Smirnov")
        measured.append(Measurement(name, statistic, COLUMN_STATISTICS[statistic](table[name], windows)))
    kept = reference.trusted_components
    whitened = (reference.project(embeddings)[:, :kept] / reference.scales[:kept]).astype(np.float64)
    distances = statistics.mean_distance(whitened, windows)
    measured.append(Measurement(EMBEDDING_MEAN, "Hotelling distance", distances))
    kernel = statistics.gaussian_kernel(directions(embeddings), squared_bandwidth=squared_bandwidth)
    discrepancies = statistics.maximum_mean_discrepancy(kernel, windows)
    measured.append(Measurement(EMBEDDING, "maximum mean discrepancy", discrepancies))
    return measured


def directions(embeddings: Array) -> Array:
    """Embeddings (N, D) at unit length; a zero embedding stays zero."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(norms, np.finfo(np.float32).tiny), dtype=np.float32)
