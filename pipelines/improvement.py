"""From accepted corrections to a registered challenger that goes on from the champion."""

from zenml import pipeline, unmapped

from hematovision.config import RunConfig
from hematovision.improvement.gathering import Material
from pipelines.training import Learnt, evaluate_learnt, register_and_judge
from steps.caching import LIBRARY_CACHE
from steps.improve import add_cells, explain_change, measure_gain, pin_material, retrain_fold, retrain_model
from steps.ingest import gate_data, ingest, validate
from steps.learn import extract_features, list_folds


def relearn(config: RunConfig, material: Material) -> Learnt:
    """Known and new cells to a model that goes on from the champion."""
    pinned = pin_material(material)
    cells, quarantine, leakage, version = ingest(pinned, config.reading, config.duplicates)
    validation, _ = validate(cells, version, config.validation, config.records, "cells")
    gate_data(validation, leakage, "refuse")
    manifest, left_out = add_cells(cells, quarantine, material, config)
    validation, _ = validate(manifest, version, config.validation, config.records, "splits")
    gate_data(validation, leakage, "refuse")
    features = extract_features(manifest, config.learning, config.reading, config.seed)
    outcomes = retrain_fold.map(
        fold=list_folds(len(material.networks)),
        manifest=unmapped(manifest),
        material=unmapped(material),
        features=unmapped(features),
        settings=unmapped(config.learning),
        seed=unmapped(config.seed),
    )
    package, curves = retrain_model(
        manifest,
        outcomes,
        features,
        material,
        version,
        config.learning,
        config.reading,
        config.trust,
        config.records,
        config.seed,
    )
    golden = material.golden_folder
    return Learnt(manifest, left_out, validation, golden, version, features, outcomes, package, curves)


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def improvement_pipeline(config: RunConfig, material: Material) -> None:
    """Validate known and new cells, go on from the champion, compare, report, register, judge."""
    learnt = relearn(config, material)
    made = evaluate_learnt(learnt, config)
    new_cells = measure_gain(made.manifest, made.package, material, config.evaluation, config.seed)
    explain_change(material, made.manifest, learnt.quarantine, new_cells, made.golden, config)
    register_and_judge(made, config)
