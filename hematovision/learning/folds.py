"""From manifest rows to a trained network: one fold left out, or all development cells used."""

import json
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict
from safetensors.torch import save

from hematovision.data.decoding import decode
from hematovision.data.manifest import DEVELOPMENT
from hematovision.data.splits import validation_split
from hematovision.learning.arithmetic import choose_arithmetic
from hematovision.learning.backbones import load_backbone
from hematovision.learning.backbones.catalogue import find_architecture
from hematovision.learning.curves import Epoch
from hematovision.learning.extraction import extract_features
from hematovision.learning.features import FeatureCache, FeaturePlan
from hematovision.learning.fitting import Part
from hematovision.learning.inference import check_precision
from hematovision.learning.kept_networks import NetworkStore
from hematovision.learning.networks import CellNetwork
from hematovision.learning.preprocessing import choose_side
from hematovision.learning.settings import LearningSettings
from hematovision.learning.training import Trained, WarmStart, predict_logits, train
from hematovision.progress import Progress
from hematovision.provenance import library_digest


class FeatureSet(BaseModel):
    """Where the frozen features of a manifest lie, and how they were made: what flows between steps.

    Attributes:
        folder: the cache of this plan. side: input side in pixels. views: views a cell.
    """

    model_config = ConfigDict(frozen=True)

    folder: str
    side: int
    views: int


class FoldOutcome(BaseModel):
    """What a network trained without a fold says about that fold; logits row by row as in `paths`.

    Attributes:
        network: digest of what it learnt, in the home's networks; '' where it was not kept.
    """

    model_config = ConfigDict(frozen=True)

    fold: int
    epochs: int
    seconds: float
    paths: list[str]
    logits: list[list[float]]
    network: str = ""


class Pictures(Protocol):
    """Encoded pictures by content hash."""

    def read(self, sha256: str) -> bytes:
        """The bytes with this SHA-256."""
        ...


def class_names(manifest: pd.DataFrame) -> list[str]:
    """The labels of a manifest in the order of a model's outputs."""
    return sorted(manifest["label"].unique())


def views_within_budget(settings: LearningSettings, cells: int) -> int:
    """Views a cell: the number asked for, fewer where cells are many; its orientations at least, and one augmented."""
    asked = max(settings.augmentation.views, settings.orientations)
    return min(asked, max(settings.orientations + 1, settings.augmentation.view_budget // max(1, cells)))


def resolve_inputs(manifest: pd.DataFrame, settings: LearningSettings) -> LearningSettings:
    """The same settings with the input side and the number of views that these cells call for."""
    chosen, side = settings.backbone, settings.backbone.image_size
    if side == "auto":
        sides = find_architecture(chosen.name).sides
        smallest, largest = sides.bounds(chosen.smallest_image_size, chosen.largest_image_size)
        side = choose_side(
            manifest["width"].to_numpy(), manifest["height"].to_numpy(), smallest=smallest, largest=largest
        )
    views = views_within_budget(settings, len(manifest))
    return settings.model_copy(
        update={
            "backbone": chosen.model_copy(update={"image_size": side}),
            "augmentation": settings.augmentation.model_copy(update={"views": views}),
        }
    )


def prepare_features(
    manifest: pd.DataFrame,
    store: Pictures,
    folder: Path,
    settings: LearningSettings,
    *,
    max_pixels: int,
    workers: int,
    seed: int,
    progress: Progress | None = None,
) -> FeatureSet:
    """Compute the frozen features that the cache lacks: of every cell, or of the development cells once it is split."""
    settings = resolve_inputs(manifest, settings)
    learnt_from = manifest[manifest["split"] == DEVELOPMENT] if "split" in manifest else manifest
    chosen = settings.backbone
    check_precision(chosen.precision)
    choose_arithmetic(settings.training.precision)  # refused now, not when all features are there
    side = int(chosen.image_size)
    backbone = load_backbone(chosen, seed=seed, pooling=settings.pooling(side))
    plan = FeaturePlan(
        side,
        settings.orientations,
        settings.augmentation.views,
        settings.augmentation,
        chosen.precision,
        seed,
        mapped_views=1 if settings.head_alone else None,
        pooled_views=None if settings.head_alone else settings.orientations,
    )
    cache = extract_features(
        list(learnt_from["sha256"]),
        lambda sha256: decode(store.read(sha256), max_pixels=max_pixels),
        backbone,
        plan,
        folder,
        batch_size=chosen.batch_size,
        workers=workers,
        progress=progress,
    )
    return FeatureSet(folder=str(cache.folder), side=plan.side, views=plan.views)


def _part(
    rows: pd.DataFrame,
    positions: dict[str, int],
    classes: Sequence[str],
    start: WarmStart | None = None,
    rehearsed: int = 1,
) -> Part:
    numbers = {label: number for number, label in enumerate(classes)}
    return Part(
        np.array([positions[path] for path in rows["path"]], dtype=np.int64),
        np.array([numbers[label] for label in rows["label"]], dtype=np.int64),
        None if start is None else rows["sha256"].isin(start.fresh).to_numpy(dtype=bool),
        rehearsed,
    )


def train_on(
    rows: pd.DataFrame,
    features: FeatureSet,
    classes: Sequence[str],
    settings: LearningSettings,
    *,
    seed: int,
    threads: int,
    start: WarmStart | None = None,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train on manifest rows, a grouped share of them set aside for early stopping.

    With `checkpoints`, the folder of all of them, a training that was killed goes on where it stood.
    """
    rows = rows.sort_values("path", kind="stable")
    positions = {path: position for position, path in enumerate(rows["path"])}
    fitted, held_out = validation_split(rows, fraction=settings.training.validation_fraction, seed=seed)
    return train(
        FeatureCache(Path(features.folder)).read(list(rows["sha256"])),
        _part(fitted, positions, classes, start, settings.training.rehearsed),
        _part(held_out, positions, classes),
        load_backbone(settings.backbone, seed=seed, pooling=settings.pooling(features.side)),
        classes,
        settings,
        seed=seed,
        threads=threads,
        start=start,
        checkpoints=checkpoints and checkpoints / _identity(rows, features, classes, settings, start, seed, threads),
        progress=progress,
    )


def _identity(
    rows: pd.DataFrame,
    features: FeatureSet,
    classes: Sequence[str],
    settings: LearningSettings,
    start: WarmStart | None,
    seed: int,
    threads: int,
) -> str:
    """What decides a training, as one digest: only the very same training may go on from its checkpoint."""
    cells = rows[["path", "sha256", "label", "group"]].to_csv(index=False)
    begun = None if start is None else [sha256(save(dict(start.learnt))).hexdigest(), sorted(start.fresh)]
    plan = [features.model_dump(), list(classes), settings.model_dump(), begun, seed, threads]
    decided = [cells, *plan, library_digest()]
    return sha256(json.dumps(decided).encode()).hexdigest()[:24]


def run_fold(
    manifest: pd.DataFrame,
    fold: int,
    features: FeatureSet,
    settings: LearningSettings,
    *,
    seed: int,
    threads: int,
    start: WarmStart | None = None,
    networks: NetworkStore | None = None,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> FoldOutcome:
    """Train without one fold of the development cells and answer for that fold; golden cells are never touched.

    Args:
        start: a network that never saw this fold either. networks: where what is learnt is kept.
    """
    started = time.monotonic()
    development = manifest[manifest["split"] == DEVELOPMENT]
    trained = train_on(
        development[development["fold"] != fold],
        features,
        class_names(manifest),
        settings,
        seed=seed + 1 + fold,
        threads=threads,
        start=start,
        checkpoints=checkpoints,
        progress=progress,
    )
    return answer_fold(
        trained.network,
        manifest,
        fold,
        features,
        epochs=len(trained.curves),
        seconds=time.monotonic() - started,
        head_only=trained.head_only,
        networks=networks,
    )


def answer_fold(
    network: CellNetwork,
    manifest: pd.DataFrame,
    fold: int,
    features: FeatureSet,
    *,
    epochs: int,
    seconds: float,
    head_only: bool = False,
    networks: NetworkStore | None = None,
) -> FoldOutcome:
    """What a network says of a fold of the development cells.

    Args:
        epochs, seconds: its training took. head_only: see `predict_logits`. networks: where what it learnt is kept.
    """
    development = manifest[manifest["split"] == DEVELOPMENT]
    left_out = development[development["fold"] == fold].sort_values("path", kind="stable")
    held_out = FeatureCache(Path(features.folder)).read(list(left_out["sha256"]))
    logits = predict_logits(network, held_out, np.arange(len(left_out)), head_only=head_only)
    return FoldOutcome(
        fold=fold,
        epochs=epochs,
        seconds=seconds,
        paths=list(left_out["path"]),
        logits=logits.astype(float).tolist(),
        network=networks.put(network.learnt()) if networks else "",
    )


def run_all(
    manifest: pd.DataFrame,
    features: FeatureSet,
    settings: LearningSettings,
    networks: NetworkStore,
    *,
    seed: int,
    threads: int,
    start: WarmStart | None = None,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> tuple[str, list[Epoch]]:
    """Train on every development cell; gives the digest under which `networks` keeps the network, and its curves."""
    trained = train_on(
        manifest[manifest["split"] == DEVELOPMENT],
        features,
        class_names(manifest),
        settings,
        seed=seed,
        threads=threads,
        start=start,
        checkpoints=checkpoints,
        progress=progress,
    )
    return networks.put(trained.network.learnt()), trained.curves


def out_of_fold_logits(
    manifest: pd.DataFrame, outcomes: Sequence[FoldOutcome]
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """All folds: development rows, their class numbers (N,), and logits (N, C) by networks that never saw them."""
    rows = manifest.set_index("path", drop=False).loc[[path for outcome in outcomes for path in outcome.paths]]
    classes = class_names(manifest)
    truth = np.array([classes.index(label) for label in rows["label"]], dtype=np.int64)
    return rows, truth, np.array([row for outcome in outcomes for row in outcome.logits])
