"""What a retrain adds to a training: new cells among the known ones, the gain measured, the change told."""

from pathlib import Path
from typing import Annotated

import pandas as pd
from zenml import log_metadata, step
from zenml.types import HTMLString

from hematovision.config import EvaluationSettings, RunConfig
from hematovision.data.growth import extend_splits
from hematovision.data.manifest import load_manifest
from hematovision.data.pin import DataPin, pin
from hematovision.data.store import ImageStore
from hematovision.evaluation.metrics import Evaluation
from hematovision.home import locate_home
from hematovision.improvement.doubts import Doubts, doubted_labels
from hematovision.improvement.gathering import Material
from hematovision.improvement.measuring import NewCells, compare_on_new
from hematovision.improvement.report import change_report
from hematovision.learning.folds import FoldOutcome
from hematovision.progress import progress_bar


@step(enable_cache=False)
def pin_material(material: Material) -> Annotated[DataPin, "pin"]:
    """Name the exact bytes of known and new cells."""
    pinned = pin(Path(material.folder)).model_copy(update={"synthetic": material.synthetic})
    log_metadata(
        {"retrain": material.retrain, "champion": material.champion, "new_cells": len(material.beginning.fresh)}
    )
    return pinned


@step
def add_cells(
    cells: pd.DataFrame, quarantine: pd.DataFrame, material: Material, config: RunConfig
) -> tuple[Annotated[pd.DataFrame, "manifest"], Annotated[pd.DataFrame, "left_out"]]:
    """Give new cells a fold or hold them out; known ones and the golden set stay as they were."""
    grown = extend_splits(
        cells,
        load_manifest(Path(material.known)),
        folds=config.split.folds,
        held_out_fraction=config.improvement.held_out_fraction,
        seed=config.seed,
    )
    left_out = pd.concat([quarantine, grown.left_out, pd.DataFrame(material.left_out)], ignore_index=True)
    log_metadata({"cells": len(grown.manifest), "left_out": len(left_out)})
    return grown.manifest, left_out[["path", "reason"]]


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
def doubt_labels(
    manifest: pd.DataFrame, outcomes: list[FoldOutcome], material: Material
) -> Annotated[Doubts, "doubts"]:
    """Corrections that networks doubt which had not seen them."""
    found = doubted_labels(manifest, outcomes, material.beginning.fresh)
    log_metadata({"asked": found.n, "doubted": len(found.cells)})
    return found


@step
def explain_change(
    material: Material,
    manifest: pd.DataFrame,
    left_out: pd.DataFrame,
    new_cells: NewCells,
    doubts: Doubts,
    golden: Evaluation,
    config: RunConfig,
) -> Annotated[HTMLString, "change"]:
    """The page that says what changed and why."""
    return HTMLString(
        change_report(
            material,
            manifest,
            left_out,
            new_cells,
            doubts,
            golden,
            ImageStore(locate_home().images),
            config,
        )
    )
