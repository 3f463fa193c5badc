"""From cells to a registered challenger."""

from typing import Any

from zenml import pipeline, unmapped

from hematovision.config import RunConfig
from pipelines.ingestion import prepare_cells
from steps.assess import build_reference, evaluate_model, find_weak_slices, spoil_pictures, summarise_folds
from steps.caching import LIBRARY_CACHE
from steps.learn import extract_features, list_folds, train_fold, train_model
from steps.publish import register_model, write_report


def make_candidate(config: RunConfig, path: str, embedded: bool) -> tuple[Any, ...]:
    """Cells to an evaluated model with its report.

    Returns:
        Candidate, manifest, fold outcomes, package, reference, report, cross-validation, golden evaluation, errors,
        robustness, curves: artifacts.
    """
    manifest, quarantine, golden_folder, version, pinned = prepare_cells(config, path, embedded)
    features = extract_features(manifest, config.learning, config.reading, config.seed)
    outcomes = train_fold.map(
        fold=list_folds(config.split.folds),
        manifest=unmapped(manifest),
        golden_folder=unmapped(golden_folder),
        features=unmapped(features),
        settings=unmapped(config.learning),
        seed=unmapped(config.seed),
    )
    folds = summarise_folds(manifest, outcomes, config.evaluation, config.trust, config.seed)
    package, curves = train_model(
        manifest,
        outcomes,
        features,
        golden_folder,
        version,
        pinned,
        config.learning,
        config.reading,
        config.trust,
        config.records,
        config.seed,
    )
    return evidence_of(manifest, quarantine, golden_folder, version, features, outcomes, folds, package, curves, config)


def evidence_of(
    manifest: Any,
    quarantine: Any,
    golden_folder: Any,
    version: Any,
    features: Any,
    outcomes: Any,
    folds: Any,
    package: Any,
    curves: Any,
    config: RunConfig,
) -> tuple[Any, ...]:
    """What is measured of a trained model, and its report; returns what `register_model` takes but the settings."""
    golden, probabilities = evaluate_model(
        manifest, package, golden_folder, config.evaluation, config.records, config.seed
    )
    errors = find_weak_slices(manifest, outcomes, probabilities, config.evaluation)
    robustness = spoil_pictures(manifest, package, config.robustness, config.evaluation, config.seed)
    reference = build_reference(manifest, outcomes, features, package, config.monitoring, config.seed)
    report, candidate = write_report(
        manifest, quarantine, folds, golden, probabilities, errors, robustness, package, curves, version, config
    )
    return candidate, manifest, outcomes, package, reference, report, folds, golden, errors, robustness, curves


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def candidate_pipeline(config: RunConfig, path: str, embedded: bool) -> None:
    """Everything but the registration."""
    make_candidate(config, path, embedded)


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def training_pipeline(config: RunConfig, path: str, embedded: bool) -> None:
    """Validate, train a fold each, train the model, score it on the golden set, report, register."""
    register_model(*make_candidate(config, path, embedded), config)
