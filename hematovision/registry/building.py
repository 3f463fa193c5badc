"""The model itself: trained on all development cells, calibrated on what folds said of cells they had not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hematovision.config import TrustSettings
from hematovision.data.golden import GoldenSet, assert_untouched
from hematovision.data.manifest import DEVELOPMENT, manifest_digest
from hematovision.data.versioning import DataVersion
from hematovision.evaluation.cross_fitting import fit_served
from hematovision.learning.backbones import load_backbone
from hematovision.learning.curves import Epoch
from hematovision.learning.folds import FeatureSet, FoldOutcome, class_names, out_of_fold_logits, train_on
from hematovision.learning.settings import LearningSettings
from hematovision.learning.training import WarmStart
from hematovision.monitoring.strangeness import fit_familiar, limit_for
from hematovision.progress import Progress
from hematovision.provenance import software_versions
from hematovision.registry.package import ModelSpecification, write_package
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
    outcomes: Sequence[FoldOutcome],
    features: FeatureSet,
    origin: Origin,
    settings: LearningSettings,
    trust: TrustSettings,
    *,
    seed: int,
    threads: int,
    start: WarmStart | None = None,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> list[Epoch]:
    """Train on every development cell and write the model package to a folder.

    Temperature and prediction sets come from the folds' held-out logits: cells that neither the networks that gave
    them nor the golden set know. What is familiar comes from frozen blocks, which no training changes.

    Returns:
        The learning curves.
    """
    development = manifest[manifest["split"] == DEVELOPMENT]
    assert_untouched(origin.golden, development, manifest=manifest)
    classes = class_names(manifest)
    trained = train_on(
        development,
        features,
        classes,
        settings,
        seed=seed,
        threads=threads,
        start=start,
        checkpoints=checkpoints,
        progress=progress,
    )
    rows, truth, logits = out_of_fold_logits(manifest, outcomes)
    temperature, sets = fit_served(logits, truth, confidence=trust.confidence)
    embeddings, labels = frozen_embeddings(features, list(rows["sha256"])), list(rows["label"])
    backbone = load_backbone(settings.backbone, seed=seed)
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
        weights=backbone.weights,
        data_version=str(origin.version),
        manifest_digest=manifest_digest(manifest),
        golden_digest=origin.golden.digest,
        seed=seed,
        synthetic=origin.synthetic,
        software=software_versions(),
    )
    write_package(folder, trained.network, specification, fit_familiar(embeddings, labels))
    return trained.curves
