"""A registered model and new cells: scored where they are labelled, compared with its reference where not."""

from pathlib import Path
from typing import Annotated

from zenml import get_step_context, log_metadata, step
from zenml.types import HTMLString

from hematovision.config import EvaluationSettings, ReadingSettings, RecordsSettings, RunConfig
from hematovision.home import locate_home
from hematovision.progress import progress_bar
from hematovision.registry.chronicle import record_evaluation
from hematovision.registry.external import ExternalEvaluation, evaluate_elsewhere
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.monitor import monitor
from hematovision.registry.served_window import WindowRequest
from hematovision.registry.watching import Monitored


@step(enable_cache=False)
def evaluate_on(
    model: str,
    path: str,
    reading: ReadingSettings,
    settings: EvaluationSettings,
    records: RecordsSettings,
    seed: int,
) -> tuple[Annotated[ExternalEvaluation, "evaluation"], Annotated[HTMLString, "report"]]:
    """Score a registered model on labelled cells it was not made from."""
    with progress_bar("Evaluating") as progress:
        result = evaluate_elsewhere(locate_home(), model, Path(path), reading, settings, seed=seed, progress=progress)
    package, run = fetch_model(locate_home(), model) / "artifacts" / "package", get_step_context().pipeline_run.id
    record_evaluation(locate_home(), records.database, result.evaluation, package, run=str(run))
    log_metadata({"model": model, "accuracy": result.evaluation.accuracy.value, "n": result.evaluation.n})
    return result, HTMLString(Path(result.report).read_text(encoding="utf-8"))


@step(enable_cache=False)
def watch(
    model: str, path: str | None, window: WindowRequest, config: RunConfig
) -> tuple[Annotated[Monitored, "monitored"], Annotated[HTMLString, "report"]]:
    """Compare a window of images with the model's reference, write the Evidently report, keep the verdict."""
    with progress_bar("Monitoring") as progress:
        result = monitor(locate_home(), config, model, path, window, progress=progress)
    log_metadata({"model": result.version, "drift": result.verdict.drift, "n": result.verdict.n})
    return result, HTMLString(Path(result.report).read_text(encoding="utf-8"))
