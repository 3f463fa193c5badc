"""From cells to a registered challenger."""

from typing import Any, NamedTuple

from zenml import pipeline, unmapped

from hematovision.config import RunConfig
from hematovision.learning.kept_networks import Beginning
from pipelines.ingestion import Prepared, prepare_cells
from steps.assess import build_reference, evaluate_model, find_weak_slices, spoil_pictures, summarise_folds
from steps.caching import LIBRARY_CACHE
from steps.learn import extract_features, list_folds, package_model, train_fold, train_network
from steps.publish import judge_model, register_model, write_report


class Learnt(NamedTuple):
    """The artifacts of a trained model that nothing but its folds has judged yet."""

    manifest: Any
    quarantine: Any
    validation: Any
    golden_folder: Any
    version: Any
    features: Any
    outcomes: Any
    package: Any
    curves: Any


class Made(NamedTuple):
    """The artifacts of an evaluated model, in the order in which `register_model` takes them."""

    candidate: Any
    manifest: Any
    outcomes: Any
    package: Any
    reference: Any
    report: Any
    folds: Any
    golden: Any
    probabilities: Any
    errors: Any
    robustness: Any
    curves: Any
    validation: Any


def learn(config: RunConfig, cells: Prepared, beginning: Beginning | None = None) -> Learnt:
    """Cells to a trained model, from the backbone's own weights or going on from what networks have learnt."""
    features = extract_features(cells.manifest, config.learning, config.reading, config.seed)
    begun = (features, config.learning, config.seed, beginning)
    network, curves = train_network.submit(cells.manifest, cells.golden_folder, *begun)
    outcomes = train_fold.map(
        fold=list_folds(config.split.folds),
        manifest=unmapped(cells.manifest),
        golden_folder=unmapped(cells.golden_folder),
        features=unmapped(features),
        settings=unmapped(config.learning),
        seed=unmapped(config.seed),
        beginning=unmapped(beginning),
    )
    package = package_model(
        cells.manifest,
        network,
        outcomes,
        features,
        cells.golden_folder,
        cells.version,
        cells.pinned,
        config,
        beginning,
    )
    return Learnt(
        cells.manifest,
        cells.quarantine,
        cells.validation,
        cells.golden_folder,
        cells.version,
        features,
        outcomes,
        package,
        curves,
    )


def evaluate_learnt(learnt: Learnt, config: RunConfig) -> Made:
    """A trained model to an evaluated one with its report."""
    manifest, outcomes, package = learnt.manifest, learnt.outcomes, learnt.package
    folds = summarise_folds(manifest, outcomes, config.evaluation, config.trust, config.seed)
    golden, probabilities = evaluate_model(
        manifest, package, learnt.golden_folder, config.evaluation, config.records, config.seed
    )
    errors = find_weak_slices(manifest, outcomes, probabilities, config.evaluation)
    robustness = spoil_pictures(manifest, package, config.robustness, config.evaluation, config.seed)
    reference = build_reference(manifest, outcomes, learnt.features, package, config.monitoring, config.seed)
    report, candidate = write_report(
        manifest,
        learnt.quarantine,
        folds,
        golden,
        probabilities,
        errors,
        robustness,
        package,
        learnt.curves,
        learnt.version,
        config,
    )
    return Made(
        candidate,
        manifest,
        outcomes,
        package,
        reference,
        report,
        folds,
        golden,
        probabilities,
        errors,
        robustness,
        learnt.curves,
        learnt.validation,
    )


def register_and_judge(made: Made, config: RunConfig) -> None:
    """An evaluated model to a challenger with a verdict."""
    registered = register_model(*made, config)
    judge_model(registered, made.golden, made.probabilities, config)


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def candidate_pipeline(config: RunConfig, path: str, embedded: bool) -> None:
    """Everything but the registration."""
    evaluate_learnt(learn(config, prepare_cells(config, path, embedded)), config)


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def training_pipeline(config: RunConfig, path: str, embedded: bool) -> None:
    """Validate, train a fold each, train the model, score it on the golden set, report, register, judge."""
    register_and_judge(evaluate_learnt(learn(config, prepare_cells(config, path, embedded)), config), config)
