"""Frozen features computed: pictures prepared and networks run side by side, on every core."""

import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hematovision.errors import HematoVisionError
from hematovision.learning.augmentation import augment, view_generator
from hematovision.learning.backbones import Backbone
from hematovision.learning.export import export_onnx
from hematovision.learning.features import FeatureCache, FeaturePlan
from hematovision.learning.inference import compile_for_throughput, taking_pictures
from hematovision.learning.preprocessing import resize, turn
from hematovision.progress import Progress

LEAST_AGREEMENT = 0.95
"""Cosine of pooled features in bf16 with those in f32; MobileNetV2 on blood cells: 0.96 at least, median 0.994."""


class _TwoOutputs(nn.Module):
    def __init__(self, backbone: Backbone, views: int, pooled: int) -> None:
        super().__init__()
        self.lower, self.upper = backbone.lower, backbone.upper
        self.views, self.pooled = views, pooled

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        taps = self.lower(images)
        if self.pooled == self.views:
            return taps, self.upper(taps)
        return taps, self.upper(taps.unflatten(0, (-1, self.views))[:, : self.pooled].flatten(0, 1))


def backbone_model(backbone: Backbone, plan: FeaturePlan) -> Any:
    """A frozen backbone for OpenVINO that normalises inside: all views of so many cells, one cell after the other.

    (N·V, side, side, 3) uint8 → taps (N·V, C, h, w) float16, pooled (N·P, D) float32 of the first P views of each; a
    flattened map is float16 too.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "backbone.onnx"
        module = _TwoOutputs(backbone, plan.views, plan.pooled_kept)
        export_onnx(module, path, side=plan.side, outputs=["taps", "pooled"], batch=2 * plan.views)
        compact = ["taps", "pooled"] if backbone.pool == "flatten" else ["taps"]
        return taking_pictures(path, backbone.mean, backbone.deviation, compact=compact)


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
        return np.concatenate([views_of(sha256, read(sha256), plan) for sha256 in part])

    with ThreadPoolExecutor(workers) as pool:
        ahead = [pool.submit(prepare, part) for part in chunks[: workers + 1]]
        for index, part in enumerate(chunks):
            views = ahead.pop(0).result()
            if index + workers + 1 < len(chunks):
                ahead.append(pool.submit(prepare, chunks[index + workers + 1]))
            yield part, views


def _check_agreement(compiled: Any, model: Any, views: np.ndarray, plan: FeaturePlan) -> None:
    networks = (compile_for_throughput(model, precision="f32"), compiled)
    pooled = len(views) // plan.views * plan.pooled_kept
    exact, found = (network(views)[1].reshape(pooled, -1).astype(np.float32) for network in networks)
    cosine = (exact * found).sum(1) / np.maximum(np.linalg.norm(exact, axis=1) * np.linalg.norm(found, axis=1), 1e-12)
    if cosine.min() < LEAST_AGREEMENT:
        raise HematoVisionError(
            f"{plan.precision} changes this backbone's features (cosine {cosine.min():.3f} with f32, at least "
            f"{LEAST_AGREEMENT} is asked): set learning.backbone.precision: f32."
        )


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

    Raises:
        HematoVisionError: features in reduced precision differ from those in full precision.
    """
    cache = FeatureCache(folder / plan.digest(backbone))
    missing = [sha256 for sha256 in dict.fromkeys(identities) if not cache.holds(sha256, plan)]
    if not missing:
        return cache
    model = backbone_model(backbone, plan)
    network = compile_for_throughput(model, precision=plan.precision)
    if plan.precision != "f32":
        some = missing[: max(1, batch_size // plan.views)]
        views = np.concatenate([views_of(sha256, read(sha256), plan) for sha256 in some])
        _check_agreement(network, model, views, plan)
    fill(cache, missing, read, network, plan, batch_size=batch_size, workers=workers, progress=progress)
    return cache


def fill(
    cache: FeatureCache,
    missing: Sequence[str],
    read: Callable[[str], np.ndarray],
    network: Any,
    plan: FeaturePlan,
    *,
    batch_size: int,
    workers: int,
    progress: Progress | None = None,
) -> None:
    """Compute features with a compiled backbone and keep them; arguments as in `extract_features`."""
    with ThreadPoolExecutor(workers) as writers:
        kept = _Keeper(cache, plan, writers)
        # No callbacks: a thread of OpenVINO that is still inside Python deadlocks with the freeing of its model.
        idle = [network.create_infer_request() for _ in range(network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))]
        running: deque[tuple[Any, Sequence[str]]] = deque()
        for part, views in _prepared(missing, read, plan, max(1, batch_size // plan.views), workers):
            request = idle.pop() if idle else kept.take(*running.popleft())
            request.start_async(views)
            running.append((request, part))
            if progress:
                progress(kept.finish(), len(missing))
        while running:
            kept.take(*running.popleft())
    kept.finish()
    if progress:
        progress(len(missing), len(missing))


class _Keeper:
    """Takes the outputs of calls and has them written, so that no core waits for the disk."""

    def __init__(self, cache: FeatureCache, plan: FeaturePlan, writers: ThreadPoolExecutor) -> None:
        self.cache, self.plan, self.writers = cache, plan, writers
        self.writes: deque[Future[None]] = deque()
        self.done = 0

    def take(self, request: Any, part: Sequence[str]) -> Any:
        """Wait for a call that was started for these cells; gives the request back, free again."""
        request.wait()
        taps, pooled = (request.get_output_tensor(number).data for number in (0, 1))
        taps = taps.reshape(len(part), self.plan.views, *taps.shape[1:])[:, : self.plan.maps_kept]
        pooled = pooled.reshape(len(part), self.plan.pooled_kept, -1)
        for sha256, tap, vector in zip(part, taps, pooled, strict=True):
            self.writes.append(self.writers.submit(self.cache.write, sha256, tap.copy(), vector.copy()))
        return request

    def finish(self) -> int:
        """How many cells are kept by now; raises what went wrong in keeping one."""
        while self.writes and self.writes[0].done():
            self.writes.popleft().result()
            self.done += 1
        return self.done
