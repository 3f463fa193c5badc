"""Learning: features once, a fold each, then the model itself."""

import os
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import pandas as pd
from zenml import get_step_context, log_metadata, step

from hematovision.config import ReadingSettings, RunConfig
from hematovision.data.golden import assert_untouched, load_golden
from hematovision.data.manifest import DEVELOPMENT
from hematovision.data.pin import DataPin
from hematovision.data.store import ImageStore
from hematovision.data.versioning import DataVersion
from hematovision.home import locate_home
from hematovision.learning import folds
from hematovision.learning.curves import Epoch
from hematovision.learning.folds import FeatureSet, FoldOutcome
from hematovision.learning.kept_networks import Beginning, NetworkStore
from hematovision.learning.settings import LearningSettings
from hematovision.progress import progress_bar
from hematovision.registry.building import Origin, build_model
from hematovision.registry.chronicle import record_training
from hematovision.registry.package import package_digest

one_per_core = threading.BoundedSemaphore(os.cpu_count() or 1)
"""Mapped steps of a local run are threads of one process: as many folds side by side as there are cores."""


def prepare_features(
    manifest: pd.DataFrame, settings: LearningSettings, reading: ReadingSettings, seed: int
) -> FeatureSet:
    """The frozen features of these cells in the home's cache, computed where there are none yet."""
    home = locate_home()
    with progress_bar("Frozen features") as progress:
        return folds.prepare_features(
            manifest,
            ImageStore(home.images),
            home.features,
            settings,
            max_pixels=reading.max_pixels,
            workers=reading.workers,
            seed=seed,
            progress=progress,
        )


def prepare_pictures(
    identities: list[str], manifest: pd.DataFrame, settings: LearningSettings, reading: ReadingSettings, seed: int
) -> FeatureSet:
    """The same of pictures without labels, each in its orientations alone, seen at the side the manifest calls for."""
    settings = folds.resolve_inputs(manifest, settings)
    turns = settings.augmentation.model_copy(update={"views": settings.orientations})
    pictures = pd.DataFrame({"sha256": identities})
    return prepare_features(pictures, settings.model_copy(update={"augmentation": turns}), reading, seed)


@step
def extract_features(
    manifest: pd.DataFrame, settings: LearningSettings, reading: ReadingSettings, seed: int
) -> Annotated[FeatureSet, "features"]:
    """Compute the frozen features of every cell that has none yet."""
    return prepare_features(manifest, settings, reading, seed)


@step
def list_folds(count: int) -> Annotated[list[int], "folds"]:
    """The folds to map over."""
    return list(range(count))


@step
def train_fold(
    fold: int,
    manifest: pd.DataFrame,
    golden_folder: str,
    features: FeatureSet,
    settings: LearningSettings,
    seed: int,
    beginning: Beginning | None = None,
) -> Annotated[FoldOutcome, "fold"]:
    """Train without one fold and answer for it; one thread a fold, so that company changes nothing."""
    assert_untouched(load_golden(Path(golden_folder)), manifest[manifest["fold"] >= 0])
    home = locate_home()
    networks = NetworkStore(home.networks)
    with one_per_core, progress_bar(f"Fold {fold + 1}") as progress:
        outcome = folds.run_fold(
            manifest,
            fold,
            features,
            settings,
            seed=seed,
            threads=1,
            start=beginning.of_fold(fold, networks) if beginning else None,
            networks=networks,
            checkpoints=home.checkpoints,
            progress=progress,
        )
    log_metadata({"fold": fold, "epochs": outcome.epochs, "seconds": outcome.seconds})
    return outcome


@step
def train_network(
    manifest: pd.DataFrame,
    golden_folder: str,
    features: FeatureSet,
    settings: LearningSettings,
    seed: int,
    beginning: Beginning | None = None,
) -> tuple[Annotated[str, "network"], Annotated[list[Epoch], "curves"]]:
    """Train on all development cells, beside the folds; one thread, so that cores change nothing."""
    assert_untouched(load_golden(Path(golden_folder)), manifest[manifest["split"] == DEVELOPMENT], manifest=manifest)
    home = locate_home()
    networks = NetworkStore(home.networks)
    with one_per_core, progress_bar("Model") as progress:
        network, curves = folds.run_all(
            manifest,
            features,
            settings,
            networks,
            seed=seed,
            threads=1,
            start=beginning.of_model(networks) if beginning else None,
            checkpoints=home.checkpoints,
            progress=progress,
        )
    log_metadata({"network": network, "epochs": len(curves)})
    return network, curves


@step
def package_model(
    manifest: pd.DataFrame,
    network: str,
    outcomes: list[FoldOutcome],
    features: FeatureSet,
    golden_folder: str,
    version: DataVersion,
    pinned: DataPin,
    config: RunConfig,
    beginning: Beginning | None = None,
) -> Annotated[Path, "package"]:
    """Calibrate the trained network on what the folds said, and write the model package."""
    folder, home = Path(tempfile.mkdtemp(prefix="hematovision-")) / "package", locate_home()
    golden = load_golden(Path(golden_folder))
    build_model(
        folder,
        manifest,
        NetworkStore(home.networks).read(network),
        outcomes,
        features,
        Origin(version, golden, pinned.synthetic, config.reading.max_pixels, config.reading.min_side),
        config.learning,
        config.trust,
        seed=config.seed,
    )
    run, cells = str(get_step_context().pipeline_run.id), int((manifest["fold"] >= 0).sum())
    continues = beginning.version if beginning else None
    record_training(home, config.records.database, folder, golden, run=run, cells=cells, continues=continues)
    log_metadata({"model_digest": package_digest(folder)})
    return folder
