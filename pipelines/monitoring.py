"""A registered model on cells it was not made from."""

from zenml import pipeline

from hematovision.config import RunConfig
from hematovision.registry.served_window import WindowRequest
from steps.watch import evaluate_on, watch


@pipeline(dynamic=True, enable_cache=False)
def evaluation_pipeline(config: RunConfig, model: str, path: str) -> None:
    """Score a model on labelled cells."""
    evaluate_on(model, path, config.reading, config.evaluation, config.records, config.seed)


@pipeline(dynamic=True, enable_cache=False)
def monitoring_pipeline(config: RunConfig, model: str, path: str | None, window: WindowRequest) -> None:
    """Compare new cells, or what the service answered, with the model's reference: verdict, history, Evidently."""
    watch(model, path, window, config)
