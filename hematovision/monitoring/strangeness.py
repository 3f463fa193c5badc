"""Is this picture unlike anything the model was trained on? A distance to the cells it learnt from, with a limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hematovision.errors import HematoVisionError, UsageError
from hematovision.evaluation.prediction_sets import rank_of

Array = NDArray[np.float32]
Scores = NDArray[np.float64]

_ARRAYS = ("mean", "whitening", "centres")


@dataclass(frozen=True)
class Familiar:
    """Where the cells of each class lie in the embedding.

    The score is the distance to the nearest class centre, measured in the spread that cells of one class have around
    it: the class-conditional Mahalanobis distance (Lee et al. 2018, NeurIPS), with a covariance shrunk as in Ledoit &
    Wolf 2004.

    Attributes:
        mean: (E,) of all cells. whitening: (E, E), after which the spread inside a class is 1 in every direction.
        centres: (C, E) class means, whitened.
    """

    mean: Array
    whitening: Array
    centres: Array

    def distances(self, embeddings: Array) -> Scores:
        """Distances (N,) ≥ 0 of embeddings (N, E). Raises UsageError where E is another."""
        if embeddings.ndim != 2 or embeddings.shape[1] != len(self.mean):
            raise UsageError(f"embeddings {embeddings.shape} do not fit a model of {len(self.mean)} dimensions")
        from scipy.spatial.distance import cdist

        whitened = (embeddings - self.mean) @ self.whitening
        return np.asarray(cdist(whitened, self.centres).min(axis=1), dtype=np.float64)

    def save(self, path: Path) -> None:
        """Write the arrays as safetensors."""
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}, path)

    @staticmethod
    def load(path: Path) -> "Familiar":
        """Read what `save` wrote; HematoVisionError where an array is missing."""
        from safetensors.numpy import load_file

        arrays = load_file(path)
        missing = [name for name in _ARRAYS if name not in arrays]
        if missing:
            raise HematoVisionError(f"{path} lacks {', '.join(missing)}; register the model again.")
        return Familiar(**{name: arrays[name] for name in _ARRAYS})


class FamiliarLimit(BaseModel):
    """The distance above which a picture is flagged, the share of ordinary cells beyond it, and how many set it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    distance: float = Field(gt=0)
    false_flag_rate: float = Field(gt=0, lt=1)
    cells: int


def fit_familiar(embeddings: Array, labels: Sequence[str]) -> Familiar:
    """Fit class centres and the spread around them to embeddings (N, E) and their N labels.

    Raises:
        HematoVisionError: fewer than two cells, or embeddings that are not finite.
    """
    from sklearn.covariance import ledoit_wolf

    points, names = embeddings.astype(np.float64), np.asarray(labels, dtype=str)
    if len(points) < 2 or len(points) != len(names) or not np.isfinite(points).all():
        raise HematoVisionError(f"cannot learn what is familiar from embeddings {points.shape} and {len(names)} labels")
    kinds, member = np.unique(names, return_inverse=True)
    means = np.stack([points[member == number].mean(axis=0) for number in range(len(kinds))])
    inside = points - means[member]
    spread = inside.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)  # a channel silent in every cell still counts, in its own unit
    covariance, _ = ledoit_wolf(inside / scale, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    whitening = vectors / np.sqrt(np.maximum(values, np.finfo(np.float32).eps)) / scale[:, None]
    mean = points.mean(axis=0)
    return Familiar(
        mean.astype(np.float32), whitening.astype(np.float32), ((means - mean) @ whitening).astype(np.float32)
    )


def held_out_distances(embeddings: Array, labels: Sequence[str], folds: Sequence[int]) -> Scores:
    """Distances (N,) of cells to what the cells of the other folds make familiar."""
    names, parts = np.asarray(labels, dtype=str), np.asarray(folds)
    distances = np.empty(len(names))
    for fold in np.unique(parts):
        own = parts == fold
        distances[own] = fit_familiar(embeddings[~own], names[~own]).distances(embeddings[own])
    return distances


def limit_for(
    embeddings: Array, labels: Sequence[str], folds: Sequence[int], *, false_flag_rate: float
) -> FamiliarLimit:
    """The distance that a share `false_flag_rate` of ordinary cells exceeds.

    Each cell is measured by centres and spread of the other folds, that is, of other slides, photographs or patients.
    The limit is the ⌈(n + 1) · (1 - rate)⌉-th smallest of these distances (conformal anomaly detection, Laxhammar &
    Falkman 2010). Where n cells cannot show so small a rate, it is the largest distance and the rate is 1 / (n + 1).

    Args:
        embeddings: (N, E) by frozen blocks: no training touched them, so trained cells look no better than new ones.
    """
    distances = held_out_distances(embeddings, labels, folds)
    n = len(distances)
    rank = rank_of(n, round(1 - false_flag_rate, 12))
    rate = false_flag_rate if rank <= n else 1 / (n + 1)
    return FamiliarLimit(distance=float(np.sort(distances)[min(rank, n) - 1]), false_flag_rate=rate, cells=n)
