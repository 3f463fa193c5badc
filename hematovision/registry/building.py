"""The model itself: what was learnt from all development cells, calibrated on what folds said of unseen ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from hematovision.config import TrustSettings
from hematovision.data.golden import GoldenSet
from hematovision.data.manifest import manifest_digest
from hematovision.data.versioning import DataVersion
from hematovision.evaluation.cross_fitting import fit_served
from hematovision.learning.backbones import load_backbone
from hematovision.learning.folds import FeatureSet, FoldOutcome, class_names, out_of_fold_logits
from hematovision.learning.networks import CellNetwork
from hematovision.learning.settings import LearningSettings
from hematovision.monitoring.strangeness import fit_familiar, limit_for
from hematovision.provenance import software_versions
from hematovision.registry.package import AdaptedTo, ModelSpecification, write_package
from hematovision.registry.reference import frozen_embeddings


@dataclass(frozen=True)
class Origin:
    """What a model is made from, for its specification.

    Attributes:
        max_pixels, min_side: limits of a picture, in pixels.
    """

    version: DataVersion
    golden: GoldenSet
    synthetic: bool
    max_pixels: int
    min_side: int


def build_model(
    folder: Path,
    manifest: pd.DataFrame,
    learnt: Mapping[str, torch.Tensor],
    outcomes: Sequence[FoldOutcome],
    features: FeatureSet,
    origin: Origin,
    settings: LearningSettings,
    trust: TrustSettings,
    *,
    seed: int,
    adapted: AdaptedTo | None = None,
) -> None:
    """Write the package of what a network has learnt from every development cell to a folder.

    Temperature and prediction sets come from the folds' held-out logits: cells that neither the networks that gave
    them nor the golden set know. What is familiar comes from frozen blocks, which no training changes.

    Args:
        adapted: what the network, and those of the folds, were moved towards.
    """
    classes = class_names(manifest)
    rows, truth, logits = out_of_fold_logits(manifest, outcomes)
    temperature, sets = fit_served(logits, truth, confidence=trust.confidence)
    embeddings, labels = frozen_embeddings(features, list(rows["sha256"])), list(rows["label"])
    backbone = load_backbone(settings.backbone, seed=seed, pooling=settings.pooling(features.side))
    specification = ModelSpecification(
        classes=classes,
        image_size=features.side,
        orientations=settings.orientations,
        mean=backbone.mean,
        deviation=backbone.deviation,
        temperature=temperature,
        sets=sets,
        familiar=limit_for(embeddings, labels, list(rows["fold"]), false_flag_rate=trust.false_flag_rate),
        max_pixels=origin.max_pixels,
        min_side=origin.min_side,
        backbone=settings.backbone.name,
        frozen_blocks=backbone.frozen_blocks,
        pool=settings.head.pool,
        hidden=settings.head.hidden,
        weights=backbone.weights,
        data_version=str(origin.version),
        manifest_digest=manifest_digest(manifest),
        golden_digest=origin.golden.digest,
        seed=seed,
        synthetic=origin.synthetic,
        software=software_versions(),
        adapted=adapted,
    )
    network = CellNetwork(backbone, len(classes), settings.orientations, 0.0, torch.Generator(), settings.head.hidden)
    network.recall(learnt)
    write_package(folder, network.eval(), specification, fit_familiar(embeddings, labels))
