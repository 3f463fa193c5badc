"""From cells to a registered challenger."""

from zenml import pipeline, unmapped

from hematovision.config import RunConfig
from pipelines.ingestion import prepare_cells
from steps.assess import build_reference, evaluate_model, summarise_folds
from steps.caching import LIBRARY_CACHE
from steps.learn import extract_features, list_folds, train_fold, train_model
from steps.publish import register_model, write_report


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def training_pipeline(config: RunConfig, path: str, embedded: bool) -> None:
    """Validate, train a fold each, train the model, score it on the golden set, report, register."""
    manifest, quarantine, leakage, golden, version, pinned = prepare_cells(config, path, embedded)
    features = extract_features(manifest, config.learning, config.reading, config.seed)
    outcomes = train_fold.map(
        fold=list_folds(config.split.folds),
        manifest=unmapped(manifest),
        golden_folder=unmapped(golden),
        features=unmapped(features),
        settings=unmapped(config.learning),
        seed=unmapped(config.seed),
    )
    cross_validation = summarise_folds(manifest, outcomes, config.evaluation, config.seed)
    package, curves = train_model(
        manifest, outcomes, features, golden, version, pinned, config.learning, config.reading, config.seed
    )
    evaluation, probabilities = evaluate_model(manifest, package, golden, config.evaluation, config.seed)
    reference = build_reference(manifest, outcomes, features, package, config.monitoring, config.seed)
    report = write_report(
        manifest, quarantine, leakage, cross_validation, evaluation, probabilities, package, curves, version, config
    )
    register_model(
        manifest, quarantine, package, reference, report, cross_validation, evaluation, curves, version, config
    )
