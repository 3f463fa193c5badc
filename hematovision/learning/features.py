"""Frozen features of every view of every cell: what decides them, and where they are kept by content."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import nn

from hematovision.learning.backbones import Backbone
from hematovision.learning.settings import AugmentationSettings

_WIDEST_IN_MEMORY = 8192  # pooled features of any listed backbone are narrower, flattened maps far wider


@dataclass(frozen=True)
class FeaturePlan:
    """All that decides a feature besides the picture; its digest names the cache folder.

    Attributes:
        side: input side in pixels.
        orientations: quarter turns that an answer averages over: the first views.
        views: views a cell, its orientations included; view 0 is the untouched cell.
        mapped_views: of how many the frozen blocks' maps are kept, which decides no feature; None for all. A head
            alone needs those of view 0, by which strangeness and drift are measured.
        pooled_views: of how many the pooled features are computed, which decides none either; None for all. Where
            the blocks behind the maps are trained, those of the orientations are enough.
    """

    side: int
    orientations: int
    views: int
    augmentation: AugmentationSettings
    precision: str
    seed: int
    mapped_views: int | None = None
    pooled_views: int | None = None

    @property
    def maps_kept(self) -> int:
        """Views whose maps are kept."""
        return self.views if self.mapped_views is None else self.mapped_views

    @property
    def pooled_kept(self) -> int:
        """Views whose pooled features are computed and kept."""
        return self.views if self.pooled_views is None else self.pooled_views

    def digest(self, backbone: Backbone) -> str:
        """Identity of these features: network weights and cut, preprocessing, augmentation."""
        weights = hashlib.sha256()
        for name, tensor in nn.ModuleList([backbone.lower, backbone.upper]).state_dict().items():
            weights.update(name.encode())
            weights.update(tensor.numpy().tobytes())
        described = {
            "weights": weights.hexdigest(),
            "normalisation": [backbone.mean, backbone.deviation],
            "side": self.side,
            "orientations": self.orientations,
            "views": self.views,
            "augmentation": self.augmentation.model_dump(exclude={"views", "view_budget"}),
            "precision": self.precision,
            "seed": self.seed,
        }
        if backbone.pool != "average":
            described["pool"] = backbone.pool
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


class FeatureCache:
    """One file a cell, written whole or not at all, so that a kill leaves nothing half-written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the features of one cell lie."""
        return self.folder / sha256[:2] / f"{sha256}.safetensors"

    def holds(self, sha256: str, plan: FeaturePlan) -> bool:
        """Whether the features of a cell are here, of as many views at least as are asked for."""
        path = self.path(sha256)
        if not path.exists():
            return False
        mapped, pooled = _views_of(path)
        return mapped >= plan.maps_kept and pooled >= plan.pooled_kept

    def write(self, sha256: str, taps: np.ndarray, pooled: np.ndarray) -> None:
        """Keep taps (M, C, h, w) float16 of the first M views, and pooled (P, D) float32, or float16 if flattened.

        What the cache already holds of further views stays.
        """
        target = self.path(sha256)
        if target.exists():
            taps = max(taps, _tensor(target, "taps")[:], key=len)
            pooled = max(pooled, _tensor(target, "pooled")[:], key=len)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}.partial")
        save_file({"taps": taps, "pooled": pooled}, partial)
        partial.replace(target)

    def read(self, identities: Sequence[str]) -> "Features":
        """Features of these cells, in this order; taps and flattened maps stay on disk until a batch asks for them."""
        paths = [self.path(sha256) for sha256 in identities]
        mapped, pooled = np.min([_views_of(path) for path in paths], axis=0).tolist()
        taps = StoredViews(paths, mapped, "taps")
        if _tensor(paths[0], "pooled").get_shape()[1] > _WIDEST_IN_MEMORY:
            return Features(taps, StoredViews(paths, pooled, "pooled"))
        return Features(taps, np.stack([_tensor(path, "pooled")[:pooled] for path in paths]))


def _tensor(path: Path, name: str) -> Any:
    with safe_open(path, framework="np") as stored:
        return stored.get_slice(name)


def _views_of(path: Path) -> tuple[int, int]:
    """Of how many views the maps and the pooled features lie here."""
    with safe_open(path, framework="np") as stored:
        return stored.get_slice("taps").get_shape()[0], stored.get_slice("pooled").get_shape()[0]


class Views(Protocol):
    """Views of N cells; `views[rows, numbers]` gives the inputs of a batch."""

    @property
    def shape(self) -> tuple[int, ...]:
        """N, V, and what follows."""

    def __getitem__(self, key: tuple[np.ndarray, np.ndarray | int]) -> np.ndarray:
        """Rows (B,) and view numbers (B,), or one number for all → (B, …)."""


@dataclass(frozen=True)
class StoredViews:
    """Taps, or flattened maps, of N cells on disk: only the views of a batch are read, whatever the size of the set."""

    paths: Sequence[Path]
    views: int
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        """N and V."""
        return len(self.paths), self.views

    def __getitem__(self, key: tuple[np.ndarray, np.ndarray | int]) -> np.ndarray:
        """Rows (B,) and view numbers (B,), or one number for all → (B, …) float16."""
        rows, views = np.broadcast_arrays(*key)
        return np.stack([_tensor(self.paths[row], self.name)[int(view)] for row, view in zip(rows, views, strict=True)])


@dataclass(frozen=True)
class Features:
    """taps (N, M, C, h, w) float16, where fine-tuning starts; pooled (N, P, D) float32, where the head starts."""

    taps: Views
    pooled: np.ndarray | StoredViews

    def pooled_to(self, views: int) -> "Features":
        """The same with the pooled features of the first views alone, however many another run left in the cache."""
        if isinstance(self.pooled, np.ndarray):
            return replace(self, pooled=self.pooled[:, :views])
        return replace(self, pooled=replace(self.pooled, views=views))


def embed(taps: np.ndarray) -> np.ndarray:
    """Mean and deviation of each channel, (N, C, h, w) → (N, 2C) float32: an embedding no training has touched."""
    maps = taps.astype(np.float32)
    return np.concatenate([maps.mean((2, 3)), maps.std((2, 3))], axis=1)
