"""From accepted corrections to a registered challenger that goes on from the champion."""

from zenml import pipeline, unmapped

from hematovision.config import RunConfig
from hematovision.improvement.gathering import Material
from pipelines.training import evidence_of
from steps.assess import summarise_folds
from steps.caching import LIBRARY_CACHE
from steps.improve import add_cells, explain_change, measure_gain, pin_material, retrain_fold, retrain_model
from steps.ingest import gate_data, ingest, validate
from steps.learn import extract_features, list_folds
from steps.publish import register_model


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def improvement_pipeline(config: RunConfig, material: Material) -> None:
    """Validate known and new cells, go on from the champion, compare, report, register."""
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
    folds = summarise_folds(manifest, outcomes, config.evaluation, config.trust, config.seed)
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
    evidence = evidence_of(
        manifest, left_out, material.golden_folder, version, features, outcomes, folds, package, curves, config
    )
    golden = evidence[7]
    new_cells = measure_gain(manifest, package, material, config.evaluation, config.seed)
    explain_change(material, manifest, left_out, new_cells, golden, config)
    register_model(*evidence, config)
