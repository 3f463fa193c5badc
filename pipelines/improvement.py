"""From accepted corrections to a registered challenger that goes on from the champion."""

from zenml import pipeline

from hematovision.config import RunConfig
from hematovision.improvement.gathering import Material
from pipelines.ingestion import Prepared
from pipelines.training import evaluate_learnt, learn, register_and_judge
from steps.caching import LIBRARY_CACHE
from steps.improve import add_cells, doubt_labels, explain_change, measure_gain, pin_material
from steps.ingest import gate_data, ingest, validate


def grow_cells(config: RunConfig, material: Material) -> Prepared:
    """Known and new cells, validated together; every known one stays where it was."""
    pinned = pin_material(material)
    cells, quarantine, leakage, version = ingest(pinned, config.reading, config.duplicates)
    validation, _ = validate(cells, version, config.validation, config.records, "cells")
    gate_data(validation, leakage, "refuse")
    manifest, left_out = add_cells(cells, quarantine, material, config)
    validation, _ = validate(manifest, version, config.validation, config.records, "splits")
    gate_data(validation, leakage, "refuse")
    return Prepared(manifest, left_out, material.golden_folder, version, pinned, validation)


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def improvement_pipeline(config: RunConfig, material: Material) -> None:
    """Validate known and new cells, go on from the champion, compare, report, register, judge."""
    learnt = learn(config, grow_cells(config, material), material.beginning)
    made = evaluate_learnt(learnt, config)
    new_cells = measure_gain(made.manifest, made.package, material, config.evaluation, config.seed)
    doubts = doubt_labels(made.manifest, made.outcomes, material)
    explain_change(material, made.manifest, learnt.quarantine, new_cells, doubts, made.golden, config)
    register_and_judge(made, config)
