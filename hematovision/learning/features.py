"""Frozen features of every view of every cell, computed once by a compiled backbone and kept by content."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import nn

from hematovision.learning.augmentation import augment, view_generator
from hematovision.learning.backbones import Backbone
from hematovision.learning.export import export_onnx
from hematovision.learning.inference import compile_onnx
from hematovision.learning.preprocessing import normalise, resize, turn
from hematovision.learning.settings import AugmentationSettings

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FeaturePlan:
    """All that decides a feature besides the picture; its digest names the cache folder.

    Attributes:
        side: input side in pixels.
        orientations: quarter turns that an answer averages over: the first views.
        views: views a cell, its orientations included; view 0 is the untouched cell.
    """

    side: int
    orientations: int
    views: int
    augmentation: AugmentationSettings
    precision: str
    seed: int

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
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


class FeatureCache:
    """One file a cell, written whole or not at all, so that a kill leaves nothing half-written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the features of one cell lie."""
        return self.folder / sha256[:2] / f"{sha256}.safetensors"

    def write(self, sha256: str, taps: np.ndarray, pooled: np.ndarray) -> None:
        """Keep taps (V, C, h, w) float16 and pooled (V, D) float32."""
        target = self.path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}.partial")
        save_file({"taps": taps, "pooled": pooled}, partial)
        partial.replace(target)

    def read(self, identities: Sequence[str]) -> "Features":
        """Features of these cells, in this order; taps stay on disk until a batch asks for them."""
        paths = [self.path(sha256) for sha256 in identities]
        pooled = np.stack([_tensor(path, "pooled")[:] for path in paths])
        return Features(StoredTaps(paths, pooled.shape[1]), pooled)


def _tensor(path: Path, name: str) -> Any:
    with safe_open(path, framework="np") as stored:
        return stored.get_slice(name)


class Views(Protocol):
    """Views of N cells; `views[rows, numbers]` gives the inputs of a batch."""

    @property
    def shape(self) -> tuple[int, ...]:
        """N, V, and what follows."""

    def __getitem__(self, key: tuple[np.ndarray, np.ndarray | int]) -> np.ndarray:
        """Rows (B,) and view numbers (B,), or one number for all → (B, …)."""


@dataclass(frozen=True)
class StoredTaps:
    """Taps of N cells on disk: only the views of a batch are read, so that memory does not grow with the data set."""

    paths: Sequence[Path]
    views: int

    @property
    def shape(self) -> tuple[int, ...]:
        """N and V."""
        return len(self.paths), self.views

    def __getitem__(self, key: tuple[np.ndarray, np.ndarray | int]) -> np.ndarray:
        """Rows (B,) and view numbers (B,), or one number for all → (B, C, h, w) float16."""
        rows, views = np.broadcast_arrays(*key)
        return np.stack([_tensor(self.paths[row], "taps")[int(view)] for row, view in zip(rows, views, strict=True)])


@dataclass(frozen=True)
class Features:
    """taps (N, V, C, h, w) float16, where fine-tuning starts; pooled (N, V, D) float32, where the head starts."""

    taps: Views
    pooled: np.ndarray


class _TwoOutputs(nn.Module):
    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.lower, self.upper = backbone.lower, backbone.upper

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        taps = self.lower(images)
        return taps, self.upper(taps)


def embed(taps: np.ndarray) -> np.ndarray:
    """Mean and deviation of each channel, (N, C, h, w) → (N, 2C) float32: an embedding no training has touched."""
    maps = taps.astype(np.float32)
    return np.concatenate([maps.mean((2, 3)), maps.std((2, 3))], axis=1)


def compile_backbone(backbone: Backbone, *, side: int, precision: str) -> Any:
    """Compile a frozen backbone with OpenVINO: (N, 3, side, side) float32 → taps, pooled."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "backbone.onnx"
        export_onnx(_TwoOutputs(backbone), path, side=side, outputs=["taps", "pooled"])
        return compile_onnx(path, precision=precision)


def views_of(sha256: str, image: np.ndarray, plan: FeaturePlan) -> np.ndarray:
    """Views of one cell, (V, side, side, 3) uint8: the cell as it is, its other orientations, augmented ones."""
    plain = resize(image, plan.side)
    turned = [turn(plain, number, plan.orientations) for number in range(plan.orientations)]
    changed = [
        augment(plain, view_generator(sha256, view, plan.seed), plan.augmentation)
        for view in range(plan.orientations, plan.views)
    ]
    return np.stack([*turned, *changed])


def _prepared(
    identities: Sequence[str], read: Callable[[str], np.ndarray], plan: FeaturePlan, chunk: int, workers: int
) -> Iterator[tuple[Sequence[str], np.ndarray]]:
    chunks = [identities[start : start + chunk] for start in range(0, len(identities), chunk)]

    def prepare(part: Sequence[str]) -> np.ndarray:
        return np.stack([views_of(sha256, read(sha256), plan) for sha256 in part])

    with ThreadPoolExecutor(workers) as pool:
        ahead = [pool.submit(prepare, part) for part in chunks[: workers + 1]]
        for index, part in enumerate(chunks):
            views = ahead.pop(0).result()
            if index + workers + 1 < len(chunks):
                ahead.append(pool.submit(prepare, chunks[index + workers + 1]))
            yield part, views


def extract_features(
    identities: Sequence[str],
    read: Callable[[str], np.ndarray],
    backbone: Backbone,
    plan: FeaturePlan,
    folder: Path,
    *,
    batch_size: int,
    workers: int,
    progress: Progress | None = None,
) -> FeatureCache:
    """Compute what the cache lacks; a picture already seen by this backbone in this way is not computed again.

    Args:
        identities: content hashes of the cells.
        read: gives the decoded H×W×3 uint8 picture of a content hash.
        folder: root of the feature caches; a sub-folder is named by the plan's digest.
        batch_size: views a call of the compiled network.
    """
    cache = FeatureCache(folder / plan.digest(backbone))
    missing = [sha256 for sha256 in dict.fromkeys(identities) if not cache.path(sha256).exists()]
    if not missing:
        return cache
    network = compile_backbone(backbone, side=plan.side, precision=plan.precision)
    done = 0
    for part, views in _prepared(missing, read, plan, max(1, batch_size // plan.views), workers):
        outputs = network(normalise(views.reshape(-1, plan.side, plan.side, 3), backbone.mean, backbone.deviation))
        taps = outputs[0].astype(np.float16).reshape(len(part), plan.views, *outputs[0].shape[1:])
        pooled = outputs[1].reshape(len(part), plan.views, -1)
        for sha256, tap, vector in zip(part, taps, pooled, strict=True):
            cache.write(sha256, tap.copy(), vector.copy())
        done += len(part)
        if progress:
            progress(done, len(missing))
    return cache
