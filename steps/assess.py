"""Evidence: cross-validation, the golden set, the monitoring reference."""

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from zenml import get_step_context, log_metadata, step

from hematovision.config import EvaluationSettings, RecordsSettings, TrustSettings
from hematovision.data.golden import load_golden
from hematovision.data.store import ImageStore
from hematovision.evaluation.cross_validation import CrossValidation
from hematovision.evaluation.metrics import Evaluation
from hematovision.evaluation.robustness import Robustness
from hematovision.evaluation.settings import RobustnessSettings
from hematovision.home import locate_home
from hematovision.learning.folds import FeatureSet, FoldOutcome
from hematovision.monitoring.settings import DriftSettings
from hematovision.progress import progress_bar
from hematovision.registry.assessment import ErrorAnalysis, analyse_errors, cross_validate, evaluate_golden
from hematovision.registry.chronicle import record_evaluation
from hematovision.registry.package import verify_package
from hematovision.registry.reference import write_reference
from hematovision.registry.robustness import measure_golden_robustness


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
    manifest: pd.DataFrame,
    package: Path,
    golden_folder: str,
    settings: EvaluationSettings,
    records: RecordsSettings,
    seed: int,
) -> tuple[Annotated[Evaluation, "golden"], Annotated[np.ndarray, "golden_probabilities"]]:
    """Score the packaged model on the frozen golden set, which chose nothing."""
    golden = load_golden(Path(golden_folder))
    with progress_bar("Golden set") as progress:
        evaluation, probabilities = evaluate_golden(
            manifest,
            package,
            golden,
            ImageStore(locate_home().images),
            settings,
            seed=seed,
            progress=progress,
        )
    run = str(get_step_context().pipeline_run.id)
    record_evaluation(locate_home(), records.database, evaluation, package, run=run, golden=golden)
    log_metadata({"accuracy": evaluation.accuracy.value, "macro_f1": evaluation.macro_f1.value, "n": evaluation.n})
    return evaluation, probabilities


@step
def find_weak_slices(
    manifest: pd.DataFrame, outcomes: list[FoldOutcome], probabilities: np.ndarray, settings: EvaluationSettings
) -> Annotated[ErrorAnalysis, "errors"]:
    """Look for parts of the cells on which the model does worse than on the rest."""
    found = analyse_errors(manifest, outcomes, probabilities, settings)
    log_metadata({"worse_on_golden": len(found.golden.worse), "worse_out_of_fold": len(found.folds.worse)})
    return found


@step
def spoil_pictures(
    manifest: pd.DataFrame, package: Path, settings: RobustnessSettings, evaluation: EvaluationSettings, seed: int
) -> Annotated[Robustness, "robustness"]:
    """Score the packaged model on golden cells whose pictures are spoilt on purpose."""
    with progress_bar("Robustness") as progress:
        result = measure_golden_robustness(
            manifest,
            package,
            ImageStore(locate_home().images),
            settings,
            evaluation,
            seed=seed,
            progress=progress,
        )
    if result.mean_drop:
        log_metadata({"n": result.n, "mean_drop": result.mean_drop.value})
    return result


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
    write_reference(folder, manifest, outcomes, features, verify_package(package), settings, seed=seed)
    return folder
