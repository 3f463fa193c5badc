"""A candidate's evidence as one page, and as the summary the command line prints."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hematovision.config import RunConfig
from hematovision.data.decoding import Pixels, decode
from hematovision.data.manifest import class_counts
from hematovision.data.store import ImageStore
from hematovision.data.versioning import DataVersion
from hematovision.evaluation.cross_validation import CrossValidation
from hematovision.evaluation.metrics import Evaluation
from hematovision.evaluation.pictures import contact_sheet
from hematovision.evaluation.plots import LearningCurve
from hematovision.evaluation.report import DrawnReport, draw_report
from hematovision.evaluation.report_content import Data, LeftOut, Provenance, ReportContent, Training
from hematovision.evaluation.robustness import Robustness
from hematovision.learning.curves import Epoch
from hematovision.provenance import git_commit
from hematovision.registry.assessment import ErrorAnalysis, golden_truth
from hematovision.registry.package import ModelSpecification, verify_package
from hematovision.registry.publication import flat_settings
from hematovision.registry.showing import Gallery, show_cells

CLUSTERS_SHOWN = 50


@dataclass(frozen=True)
class Candidate:
    """All that is known of a trained model before it has a version; `probabilities` are of golden rows by path."""

    manifest: pd.DataFrame
    quarantine: pd.DataFrame
    cross_validation: CrossValidation
    golden: Evaluation
    probabilities: np.ndarray
    package: Path
    curves: Sequence[Epoch]
    version: DataVersion
    errors: ErrorAnalysis
    robustness: Robustness


def _data(candidate: Candidate, config: RunConfig, load: "Loader", synthetic: bool) -> Data:
    manifest, settings = candidate.manifest, config.evaluation
    counts = class_counts(manifest).drop(columns="total")
    clustered = manifest[manifest["cluster"] != ""]
    return Data(
        name="embedded synthetic set" if config.data == "synthetic" else Path(config.data).name,
        version=str(candidate.version),
        source=config.data,
        n=len(manifest),
        synthetic=synthetic,
        counts={str(label): {str(part): int(n) for part, n in row.items()} for label, row in counts.iterrows()},
        quarantine=[LeftOut(path=row.path, reason=row.reason) for row in candidate.quarantine.itertuples()],
        duplicates=[list(cells["path"]) for _, cells in clustered.groupby("cluster")][:CLUSTERS_SHOWN],
        contact_sheet=contact_sheet(
            manifest,
            load,
            per_class=settings.cells_shown_per_class,
            side=settings.thumbnail_side,
            quality=settings.thumbnail_quality,
            seed=config.seed,
        ),
    )


def _gallery(candidate: Candidate, config: RunConfig, load: "Loader", classes: Sequence[str]) -> Gallery:
    rows, truth = golden_truth(candidate.manifest, classes)
    return show_cells(
        candidate.package,
        rows,
        truth,
        candidate.probabilities,
        classes,
        load,
        config.evaluation,
        seed=config.seed,
    )


def _training(candidate: Candidate, config: RunConfig) -> Training:
    metrics = ("training_loss", "validation_loss", "validation_accuracy")
    curve = LearningCurve(
        name="final",
        frozen_epochs=sum(epoch.phase == "frozen" for epoch in candidate.curves),
        metrics={name.replace("_", " "): [getattr(epoch, name) for epoch in candidate.curves] for name in metrics},
    )
    settings = {name: value for name, value in flat_settings(config).items() if name.startswith("learning.")}
    return Training(
        settings={name.removeprefix("learning."): value for name, value in settings.items()},
        curves=[curve] if candidate.curves else [],
    )


def _provenance(specification: ModelSpecification, pipeline_run: str) -> Provenance:
    commit, _, dirty = git_commit().partition("+")
    return Provenance(
        manifest_digest=specification.manifest_digest,
        golden_digest=specification.golden_digest,
        git_commit=commit,
        dirty=bool(dirty),
        seed=specification.seed,
        zenml_run=pipeline_run,
        libraries=specification.software,
    )


@dataclass(frozen=True)
class Loader:
    """Gives the decoded picture of a content hash."""

    store: ImageStore
    max_pixels: int

    def __call__(self, sha256: str) -> Pixels:
        """H×W×3 uint8 RGB."""
        return decode(self.store.read(sha256), max_pixels=self.max_pixels)


def candidate_report(candidate: Candidate, config: RunConfig, store: ImageStore, *, pipeline_run: str) -> DrawnReport:
    """The report, ready to be written: golden set, folds, mistakes, data, training, provenance."""
    specification = verify_package(candidate.package)
    load = Loader(store, config.reading.max_pixels)
    gallery = _gallery(candidate, config, load, specification.classes)
    content = ReportContent(
        model=config.registry.model_name,
        evaluated_on="golden set",
        data=_data(candidate, config, load, specification.synthetic),
        evaluation=candidate.golden,
        cross_validation=candidate.cross_validation,
        mistakes=gallery.mistakes,
        correct=gallery.correct,
        notes=gallery.notes,
        slices=[candidate.errors.golden, candidate.errors.folds],
        slices_shown=config.evaluation.slices.shown,
        robustness=candidate.robustness,
        training=_training(candidate, config),
        provenance=_provenance(specification, pipeline_run),
    )
    return draw_report(content)
