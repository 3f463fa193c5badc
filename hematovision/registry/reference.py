"""The monitoring reference of a model: its development cells, with predictions by networks that had not seen them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hematovision.data.manifest import ATTRIBUTE
from hematovision.evaluation.calibration import softmax
from hematovision.learning.features import FeatureCache, embed
from hematovision.learning.folds import FeatureSet, FoldOutcome, class_names, out_of_fold_logits
from hematovision.monitoring.observations import SET_SIZE, STRANGENESS
from hematovision.monitoring.reference import build_reference
from hematovision.monitoring.settings import DriftSettings
from hematovision.monitoring.strangeness import held_out_distances
from hematovision.registry.package import ModelSpecification

_SITE = f"{ATTRIBUTE}site"
IMAGE_STATISTICS = ["brightness", "contrast", "sharpness", "saturation"]


def frozen_embeddings(features: FeatureSet, identities: Sequence[str]) -> np.ndarray:
    """Embeddings (N, E) float32 of cells by content hash, from frozen blocks; a served model gives the same."""
    cached = FeatureCache(Path(features.folder)).read(identities)
    parts = np.array_split(np.arange(len(identities)), len(identities) // 64 + 1)
    return np.concatenate([embed(cached.taps[part, 0]) for part in parts])


def doubt_table(sets: np.ndarray, strangeness: np.ndarray) -> pd.DataFrame:
    """What a reference keeps of prediction sets (N, C) and strangeness (N,)."""
    return pd.DataFrame({SET_SIZE: sets.sum(axis=1).astype(np.float64), STRANGENESS: strangeness})


def write_reference(
    folder: Path,
    manifest: pd.DataFrame,
    outcomes: Sequence[FoldOutcome],
    features: FeatureSet,
    specification: ModelSpecification,
    settings: DriftSettings,
    *,
    seed: int,
) -> None:
    """Write image statistics, embedding and answers of the development cells to a folder."""
    rows, _, logits = out_of_fold_logits(manifest, outcomes)
    probabilities = softmax(logits, specification.temperature)
    embeddings = frozen_embeddings(features, list(rows["sha256"]))
    distances = held_out_distances(embeddings, list(rows["label"]), list(rows["fold"]))
    reference = build_reference(
        embeddings,
        rows[IMAGE_STATISTICS].reset_index(drop=True),
        probabilities.astype(np.float32),
        class_names(manifest),
        settings=settings,
        seed=seed,
        groups=list(rows["group"]),
        sites=list(rows[_SITE]) if _SITE in rows else None,
        doubts=doubt_table(specification.sets.sets(probabilities), distances / specification.familiar.distance),
    )
    reference.save(folder)
