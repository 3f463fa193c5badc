"""Data in: pinned, read, validated, gated, split, with a frozen golden set."""

from typing import Any

from zenml import pipeline

from hematovision.config import RunConfig
from steps.caching import LIBRARY_CACHE
from steps.ingest import freeze, gate_data, ingest, pin_data, split, validate


def prepare_cells(config: RunConfig, path: str, embedded: bool) -> tuple[Any, Any, Any, Any, Any, Any]:
    """The front half of every pipeline that learns.

    Returns:
        Manifest, quarantine, golden folder, data version, pin, validation: artifacts of the steps.
    """
    pinned = pin_data(path, config.synthetic, embedded)
    cells, quarantine, leakage, version = ingest(pinned, config.reading, config.duplicates)
    validation, _ = validate(cells, version, config.validation, config.records, "cells")
    gate_data(validation, leakage, config.split.on_leakage)
    manifest = split(cells, leakage, config.split, config.seed)
    validation, _ = validate(manifest, version, config.validation, config.records, "splits")
    gate_data(validation, leakage, config.split.on_leakage)
    golden = freeze(manifest, version, config.split, config.seed)
    return manifest, quarantine, golden, version, pinned, validation


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def ingestion_pipeline(config: RunConfig, path: str, embedded: bool) -> None:
    """Everything before learning."""
    prepare_cells(config, path, embedded)
