"""A registered model and new cells: scored where they are labelled, compared with its reference where not."""

from pathlib import Path
from typing import Annotated

from zenml import get_step_context, log_metadata, step
from zenml.types import HTMLString

from hematovision.config import EvaluationSettings, ReadingSettings, RecordsSettings
from hematovision.data.pictures import pictures_in
from hematovision.home import locate_home
from hematovision.monitoring.settings import DriftSettings
from hematovision.progress import progress_bar
from hematovision.registry.chronicle import record_evaluation
from hematovision.registry.external import ExternalEvaluation, evaluate_elsewhere
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.watching import Monitored, write_monitoring
from hematovision.registry.watching import watch as watch_pictures


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
    model: str, path: str, reading: ReadingSettings, settings: DriftSettings, shown: int, seed: int
) -> tuple[Annotated[Monitored, "monitored"], Annotated[HTMLString, "report"]]:
    """Compare new cells with the model's reference and write the Evidently report."""
    home = locate_home()
    pictures = pictures_in([Path(path)], voc_margin=reading.voc_margin, max_pixels=reading.max_pixels)
    with progress_bar("Monitoring") as progress:
        watched = watch_pictures(fetch_model(home, model), pictures, settings, seed=seed, progress=progress)
    result = write_monitoring(home, watched, pictures, model, path, shown=shown)
    log_metadata({"model": model, "drift": result.verdict.drift, "n": result.verdict.n})
    return result, HTMLString(Path(result.report).read_text(encoding="utf-8"))
