"""Out: the report, a registered challenger, and the verdict on it."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from zenml import get_step_context, log_metadata, step
from zenml.types import HTMLString

from hematovision.config import RunConfig
from hematovision.data.store import ImageStore
from hematovision.data.validation import ValidationResult
from hematovision.data.versioning import DataVersion
from hematovision.evaluation.cross_validation import CrossValidation
from hematovision.evaluation.metrics import Evaluation
from hematovision.evaluation.robustness import Robustness
from hematovision.home import locate_home
from hematovision.learning.curves import Epoch
from hematovision.learning.folds import FoldOutcome
from hematovision.learning.kept_networks import NetworkStore
from hematovision.progress import progress_bar
from hematovision.promotion.evidence import VALIDATION
from hematovision.promotion.judging import Measured
from hematovision.promotion.registration import VerdictSummary, judge_version
from hematovision.registry.assessment import ErrorAnalysis, golden_answers
from hematovision.registry.candidate_report import Candidate, candidate_report
from hematovision.registry.fold_networks import LIST, fold_files
from hematovision.registry.publication import CandidateSummary, RunSummary, keep_candidate, publish


@step
def write_report(
    manifest: pd.DataFrame,
    quarantine: pd.DataFrame,
    cross_validation: CrossValidation,
    golden: Evaluation,
    probabilities: np.ndarray,
    errors: ErrorAnalysis,
    robustness: Robustness,
    package: Path,
    curves: list[Epoch],
    version: DataVersion,
    config: RunConfig,
) -> tuple[Annotated[HTMLString, "report"], Annotated[CandidateSummary, "candidate"]]:
    """One self-contained page with all evidence of the candidate."""
    home = locate_home()
    candidate = Candidate(
        manifest,
        quarantine,
        cross_validation,
        golden,
        probabilities,
        package,
        curves,
        version,
        errors,
        robustness,
    )
    run = str(get_step_context().pipeline_run.id)
    drawn = candidate_report(candidate, config, ImageStore(home.images), pipeline_run=run)
    summary, page = keep_candidate(
        home, package, drawn, len(manifest), len(quarantine), cross_validation, golden, config.data
    )
    return HTMLString(page), summary


@step
def register_model(
    candidate: CandidateSummary,
    manifest: pd.DataFrame,
    outcomes: list[FoldOutcome],
    package: Path,
    reference: Path,
    report: HTMLString,
    cross_validation: CrossValidation,
    golden: Evaluation,
    probabilities: np.ndarray,
    errors: ErrorAnalysis,
    robustness: Robustness,
    curves: list[Epoch],
    validation: ValidationResult,
    config: RunConfig,
) -> Annotated[RunSummary, "summary"]:
    """Register the model version and give it the alias `challenger`."""
    home = locate_home()
    listed, files = fold_files(outcomes, NetworkStore(home.networks))
    summary = publish(
        home,
        candidate,
        package,
        reference,
        {
            "report.html": str(report),
            "data/manifest.csv": manifest.to_csv(index=False),
            LIST: listed,
            VALIDATION: validation.record.model_dump_json(indent=2),
            "evaluation/golden.csv": golden_answers(manifest, probabilities, golden.classes),
            "evaluation/slices.json": errors.model_dump_json(indent=2),
            "evaluation/robustness.json": robustness.model_dump_json(indent=2),
        },
        cross_validation,
        golden,
        curves,
        config,
        files=files,
        pipeline_run=str(get_step_context().pipeline_run.id),
    )
    log_metadata({"model": summary.model.uri, "mlflow_run": summary.model.run_id})
    return summary


@step(enable_cache=False)
def judge_model(
    summary: RunSummary, golden: Evaluation, probabilities: np.ndarray, config: RunConfig
) -> Annotated[VerdictSummary, "verdict"]:
    """Hold the version against policy and champion; one that fails stays registered, as a challenger."""
    with progress_bar("Champion") as progress:
        judged = judge_version(
            locate_home(),
            summary.model.uri,
            config,
            measured=Measured(probabilities, golden),
            anew=False,
            progress=progress,
        )
    log_metadata({"passed": judged.verdict.passed, "failed": judged.verdict.failed})
    return judged.summary
