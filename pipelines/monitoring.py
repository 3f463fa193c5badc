"""A registered model on cells it was not made from."""

from zenml import pipeline

from hematovision.config import RunConfig
from steps.watch import evaluate_on, watch


@pipeline(dynamic=True, enable_cache=False)
def evaluation_pipeline(config: RunConfig, model: str, path: str) -> None:
    """Score a model on labelled cells."""
    evaluate_on(model, path, config.reading, config.evaluation, config.records, config.seed)


@pipeline(dynamic=True, enable_cache=False)
def monitoring_pipeline(config: RunConfig, model: str, path: str) -> None:
    """Compare new cells with the model's reference: verdict and Evidently report."""
    watch(model, path, config.reading, config.monitoring, config.evaluation.mistakes_shown, config.seed)
