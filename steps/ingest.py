"""Data in: pin a version, read and group the cells, validate, gate, split, freeze the golden set."""

from pathlib import Path
from typing import Annotated

import pandas as pd
from zenml import get_step_context, log_metadata, step
from zenml.types import HTMLString

from hematovision.config import ReadingSettings, RecordsSettings, SplitSettings
from hematovision.data import preparation, splits
from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.golden import freeze_golden
from hematovision.data.ingestion import Limits
from hematovision.data.leakage import Leakage, refuse_leakage
from hematovision.data.pin import DataPin, pin, pin_embedded, without
from hematovision.data.settings import ValidationSettings
from hematovision.data.store import ImageStore
from hematovision.data.synthetic.settings import SyntheticPlan
from hematovision.data.validation import ValidationResult, raise_for_failures, validate_manifest
from hematovision.data.versioning import DataVersion, manifest_version
from hematovision.data.versions.keeping import KeptVersions
from hematovision.home import CONFIGS, locate_home
from hematovision.progress import progress_bar
from hematovision.registry.chronicle import record_validation


@step(enable_cache=False)
def pin_data(path: str, plan: SyntheticPlan, embedded: bool) -> Annotated[DataPin, "pin"]:
    """Name the exact bytes of the data; what DVC pins must be what it says."""
    with progress_bar("Checking the data") as progress:
        pinned = (
            pin_embedded(Path(path), plan, CONFIGS / "scanners.yaml", progress=progress)
            if embedded
            else pin(Path(path))
        )
    log_metadata({"path": pinned.path, "fingerprint": pinned.fingerprint})
    return without(pinned, ImageStore(locate_home().images).withdrawn())


@step
def ingest(
    pinned: DataPin, reading: ReadingSettings, duplicates: DuplicateSettings
) -> tuple[
    Annotated[pd.DataFrame, "cells"],
    Annotated[pd.DataFrame, "quarantine"],
    Annotated[Leakage, "leakage"],
    Annotated[DataVersion, "data_version"],
]:
    """Read every picture, find duplicates, build groups; keep what was read as a data version."""
    home = locate_home()
    images = ImageStore(home.images)
    prepared = preparation.prepare(
        Path(pinned.path),
        images,
        limits=Limits(reading.max_pixels, reading.min_side),
        voc_margin=reading.voc_margin,
        duplicates=duplicates,
        workers=reading.workers,
        bar=progress_bar,
    )
    version = pinned.pinned or manifest_version(prepared.manifest, pinned.path)
    kept = KeptVersions(home.data_versions).keep(
        Path(pinned.path), version, prepared.manifest, images, synthetic=pinned.synthetic
    )
    log_metadata(
        {
            "accepted": len(prepared.manifest),
            "quarantined": len(prepared.quarantine),
            "version": str(version),
            "data_content": kept.content,
        }
    )
    return prepared.manifest, prepared.quarantine, prepared.leakage, version


@step
def validate(
    manifest: pd.DataFrame, version: DataVersion, settings: ValidationSettings, records: RecordsSettings, suite: str
) -> tuple[Annotated[ValidationResult, "validation"], Annotated[HTMLString, "data_docs"]]:
    """Run the Great Expectations suite; the verdict is for the gate to act on."""
    result = validate_manifest(manifest, settings=settings, folder=locate_home().validation, suite=suite)
    run = str(get_step_context().pipeline_run.id)
    record_validation(locate_home(), records.database, result, version, suite=suite, run=run)
    log_metadata({"success": result.success, "failed": [failure.expectation for failure in result.failed]})
    return result, HTMLString(result.docs_html)


@step(enable_cache=False)
def gate_data(validation: ValidationResult, leakage: Leakage, on_leakage: str) -> None:
    """Stop the pipeline where the data may not be used."""
    if on_leakage == "refuse":
        refuse_leakage(leakage)
    raise_for_failures(validation)


@step
def split(
    manifest: pd.DataFrame, leakage: Leakage, settings: SplitSettings, seed: int
) -> Annotated[pd.DataFrame, "manifest"]:
    """Choose golden set and folds by group; a source's own splits stay unless cells leak across them."""
    return splits.assign_splits(
        manifest,
        golden_fraction=settings.golden_fraction,
        folds=settings.folds,
        seed=seed,
        keep_source_splits=settings.keep_source_splits and not leakage.found,
    )


@step(enable_cache=False)
def freeze(
    manifest: pd.DataFrame, version: DataVersion, settings: SplitSettings, seed: int
) -> Annotated[str, "golden_folder"]:
    """Write the golden set to disk, or find it there unchanged."""
    golden = freeze_golden(
        manifest, locate_home().golden, data_version=str(version), parameters={**settings.model_dump(), "seed": seed}
    )
    log_metadata({"golden_digest": golden.digest, "cells": len(golden.rows)})
    return str(golden.folder)
