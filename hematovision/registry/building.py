"""The model itself: trained on all development cells, calibrated on what folds said of cells they had not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hematovision.data.golden import GoldenSet, assert_untouched
from hematovision.data.manifest import DEVELOPMENT, manifest_digest
from hematovision.data.versioning import DataVersion
from hematovision.evaluation.calibration import fit_temperature
from hematovision.learning.backbones import load_backbone
from hematovision.learning.fitting import Epoch, Progress
from hematovision.learning.folds import FeatureSet, FoldOutcome, class_names, out_of_fold_logits, train_on
from hematovision.learning.settings import LearningSettings
from hematovision.provenance import software_versions
from hematovision.registry.package import ModelSpecification, write_package


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
    *,
    seed: int,
    threads: int,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> list[Epoch]:
    """Train on every development cell and write the model package to a folder.

    The temperature comes from the folds' held-out logits: cells that neither the network nor the golden set know.

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
        checkpoints=checkpoints,
        progress=progress,
    )
    _, truth, logits = out_of_fold_logits(manifest, outcomes)
    backbone = load_backbone(settings.backbone, seed=seed)
    specification = ModelSpecification(
        classes=classes,
        image_size=features.side,
        orientations=settings.orientations,
        mean=backbone.mean,
        deviation=backbone.deviation,
        temperature=fit_temperature(logits, truth),
        max_pixels=origin.max_pixels,
        min_side=origin.min_side,
        backbone=settings.backbone.name,
        weights=backbone.weights,
        data_version=str(origin.version),
        manifest_digest=manifest_digest(manifest),
        golden_digest=origin.golden.digest,
        seed=seed,
        synthetic=origin.synthetic,
        software=software_versions(),
    )
    write_package(folder, trained.network, specification)
    return trained.curves
