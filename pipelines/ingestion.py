"""Data in: pinned, read, validated, gated, split, with a frozen golden set."""

from typing import Any, NamedTuple

from zenml import pipeline

from hematovision.config import RunConfig
from steps.caching import LIBRARY_CACHE
from steps.ingest import freeze, gate_data, ingest, pin_data, split, validate


class Prepared(NamedTuple):
    """The artifacts of cells that are ready to be learnt from."""

    manifest: Any
    quarantine: Any
    golden_folder: Any
    version: Any
    pinned: Any
    validation: Any


def prepare_cells(config: RunConfig, path: str, embedded: bool) -> Prepared:
    """The front half of every pipeline that learns."""
    pinned = pin_data(path, config.synthetic, embedded)
    cells, quarantine, leakage, version = ingest(pinned, config.reading, config.duplicates)
    validation, _ = validate(cells, version, config.validation, config.records, "cells")
    gate_data(validation, leakage, config.split.on_leakage)
    manifest = split(cells, leakage, config.split, config.seed)
    validation, _ = validate(manifest, version, config.validation, config.records, "splits")
    gate_data(validation, leakage, config.split.on_leakage)
    golden = freeze(manifest, version, config.split, config.seed)
    return Prepared(manifest, quarantine, golden, version, pinned, validation)


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def ingestion_pipeline(config: RunConfig, path: str, embedded: bool) -> None:
    """Everything before learning."""
    prepare_cells(config, path, embedded)
