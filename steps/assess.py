"""Evidence: cross-validation, the golden set, the monitoring reference."""

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from zenml import log_metadata, step

from hematovision.config import EvaluationSettings, TrustSettings
from hematovision.data.golden import load_golden
from hematovision.data.store import ImageStore
from hematovision.evaluation.cross_validation import CrossValidation
from hematovision.evaluation.metrics import Evaluation
from hematovision.home import locate_home
from hematovision.learning.folds import FeatureSet, FoldOutcome
from hematovision.monitoring.settings import DriftSettings
from hematovision.progress import progress_bar
from hematovision.registry.assessment import cross_validate, evaluate_golden
from hematovision.registry.package import verify_package
from hematovision.registry.reference import write_reference


@step
def summarise_folds(
    manifest: pd.DataFrame, outcomes: list[FoldOutcome], settings: EvaluationSettings, trust: TrustSettings, seed: int
) -> Annotated[CrossValidation, "cross_validation"]:
    """Score what the folds said of cells they had not seen."""
    result = cross_validate(manifest, outcomes, settings, trust, seed=seed)
    log_metadata({"accuracy": result.accuracy.value, "macro_f1": result.macro_f1.value, "folds": len(result.folds)})
    return result


@step
def evaluate_model(
    manifest: pd.DataFrame, package: Path, golden_folder: str, settings: EvaluationSettings, seed: int
) -> tuple[Annotated[Evaluation, "golden"], Annotated[np.ndarray, "golden_probabilities"]]:
    """Score the packaged model on the frozen golden set, which chose nothing."""
    with progress_bar("Golden set") as progress:
        evaluation, probabilities = evaluate_golden(
            manifest,
            package,
            load_golden(Path(golden_folder)),
            ImageStore(locate_home().images),
            settings,
            seed=seed,
            progress=progress,
        )
    log_metadata({"accuracy": evaluation.accuracy.value, "macro_f1": evaluation.macro_f1.value, "n": evaluation.n})
    return evaluation, probabilities


@step
def build_reference(
    manifest: pd.DataFrame,
    outcomes: list[FoldOutcome],
    features: FeatureSet,
    package: Path,
    settings: DriftSettings,
    seed: int,
) -> Annotated[Path, "reference"]:
    """Keep what the development cells look like, for later comparison."""
    folder = Path(tempfile.mkdtemp(prefix="hematovision-")) / "reference"
    temperature = verify_package(package).temperature
    write_reference(folder, manifest, outcomes, features, temperature, settings, seed=seed)
    return folder
