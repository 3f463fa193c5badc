"""From accepted corrections to a challenger: cells added, each fold gone on with, the gain measured, told."""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import pandas as pd
from zenml import get_step_context, log_metadata, step
from zenml.types import HTMLString

from hematovision.config import EvaluationSettings, ReadingSettings, RecordsSettings, RunConfig, TrustSettings
from hematovision.data.golden import assert_untouched, load_golden
from hematovision.data.growth import extend_splits
from hematovision.data.manifest import load_manifest
from hematovision.data.pin import DataPin, pin
from hematovision.data.store import ImageStore
from hematovision.data.versioning import DataVersion
from hematovision.evaluation.metrics import Evaluation
from hematovision.home import locate_home
from hematovision.improvement.gathering import Material
from hematovision.improvement.measuring import NewCells, compare_on_new
from hematovision.improvement.report import change_report
from hematovision.learning import folds
from hematovision.learning.curves import Epoch
from hematovision.learning.folds import FeatureSet, FoldOutcome
from hematovision.learning.kept_networks import NetworkStore
from hematovision.learning.settings import LearningSettings
from hematovision.learning.training import WarmStart
from hematovision.progress import progress_bar
from hematovision.registry.building import Origin, build_model
from hematovision.registry.chronicle import record_training
from hematovision.registry.package import package_digest
from steps.learn import one_per_core


@step(enable_cache=False)
def pin_material(material: Material) -> Annotated[DataPin, "pin"]:
    """Name the exact bytes of known and new cells."""
    pinned = pin(Path(material.folder)).model_copy(update={"synthetic": material.synthetic})
    log_metadata({"retrain": material.retrain, "champion": material.champion, "new_cells": len(material.fresh)})
    return pinned


@step
def add_cells(
    cells: pd.DataFrame, quarantine: pd.DataFrame, material: Material, config: RunConfig
) -> tuple[Annotated[pd.DataFrame, "manifest"], Annotated[pd.DataFrame, "left_out"]]:
    """Give new cells a fold or hold them out; known ones and the golden set stay as they were."""
    grown = extend_splits(
        cells,
        load_manifest(Path(material.known)),
        folds=len(material.networks),
        held_out_fraction=config.improvement.held_out_fraction,
        seed=config.seed,
    )
    left_out = pd.concat([quarantine, grown.left_out, pd.DataFrame(material.left_out)], ignore_index=True)
    log_metadata({"cells": len(grown.manifest), "left_out": len(left_out)})
    return grown.manifest, left_out[["path", "reason"]]


@step
def retrain_fold(
    fold: int, manifest: pd.DataFrame, material: Material, features: FeatureSet, settings: LearningSettings, seed: int
) -> Annotated[FoldOutcome, "fold"]:
    """Go on from the network that never saw this fold."""
    assert_untouched(load_golden(Path(material.golden_folder)), manifest[manifest["fold"] >= 0])
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
            start=WarmStart(networks.read(material.networks[fold]), frozenset(material.fresh)),
            networks=networks,
            checkpoints=home.checkpoints,
            progress=progress,
        )
    log_metadata({"fold": fold, "epochs": outcome.epochs, "seconds": outcome.seconds})
    return outcome


@step
def retrain_model(
    manifest: pd.DataFrame,
    outcomes: list[FoldOutcome],
    features: FeatureSet,
    material: Material,
    version: DataVersion,
    settings: LearningSettings,
    reading: ReadingSettings,
    trust: TrustSettings,
    records: RecordsSettings,
    seed: int,
) -> tuple[Annotated[Path, "package"], Annotated[list[Epoch], "curves"]]:
    """Go on from the champion with all development cells and write the model package."""
    folder, home = Path(tempfile.mkdtemp(prefix="hematovision-")) / "package", locate_home()
    golden = load_golden(Path(material.golden_folder))
    learnt = NetworkStore(home.networks).read(material.learnt)
    with progress_bar("Final model") as progress:
        curves = build_model(
            folder,
            manifest,
            outcomes,
            features,
            Origin(version, golden, material.synthetic, reading.max_pixels, reading.min_side),
            settings,
            trust,
            seed=seed,
            threads=os.cpu_count() or 1,
            start=WarmStart(learnt, frozenset(material.fresh)),
            checkpoints=home.checkpoints,
            progress=progress,
        )
    run, cells = str(get_step_context().pipeline_run.id), int((manifest["fold"] >= 0).sum())
    record_training(home, records.database, folder, golden, run=run, cells=cells, continues=material.champion)
    log_metadata({"model_digest": package_digest(folder), "epochs": len(curves)})
    return folder, curves


@step
def measure_gain(
    manifest: pd.DataFrame, package: Path, material: Material, settings: EvaluationSettings, seed: int
) -> Annotated[NewCells, "new_cells"]:
    """Champion and challenger on new cells that no training saw."""
    with progress_bar("New cells") as progress:
        found = compare_on_new(
            manifest,
            Path(material.package),
            package,
            ImageStore(locate_home().images),
            settings,
            seed=seed,
            progress=progress,
        )
    log_metadata({"n": found.n})
    return found


@step
def explain_change(
    material: Material,
    manifest: pd.DataFrame,
    left_out: pd.DataFrame,
    new_cells: NewCells,
    golden: Evaluation,
    config: RunConfig,
) -> Annotated[HTMLString, "change"]:
    """The page that says what changed and why."""
    return HTMLString(change_report(material, manifest, left_out, new_cells, golden, config.improvement))
