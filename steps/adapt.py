"""Towards a new site: the base opened again, its folds and itself moved by unlabelled pictures."""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import pandas as pd
from zenml import get_step_context, log_metadata, step

from hematovision.config import ReadingSettings, RunConfig
from hematovision.data.golden import load_golden
from hematovision.data.manifest import load_manifest
from hematovision.data.versioning import DataVersion
from hematovision.home import locate_home
from hematovision.improvement.new_site import Site
from hematovision.learning.adaptation import adapted_network
from hematovision.learning.curves import Epoch
from hematovision.learning.folds import FeatureSet, FoldOutcome, answer_fold
from hematovision.learning.kept_networks import NetworkStore
from hematovision.learning.settings import AdaptationSettings, LearningSettings
from hematovision.registry.building import Origin, build_model
from hematovision.registry.chronicle import record_training
from hematovision.registry.package import package_digest
from steps.learn import one_per_core, prepare_pictures


@step
def open_base(
    site: Site,
) -> tuple[Annotated[pd.DataFrame, "manifest"], Annotated[pd.DataFrame, "left_out"], Annotated[DataVersion, "version"]]:
    """The cells the base was made from, and the site's pictures that cannot be used."""
    left_out = pd.DataFrame(site.left_out, columns=["path", "reason"])
    log_metadata({"base": site.adapted.base, "pictures": site.adapted.pictures, "left_out": len(left_out)})
    return load_manifest(Path(site.known)), left_out, site.version


@step
def extract_site(
    site: Site, manifest: pd.DataFrame, settings: LearningSettings, reading: ReadingSettings, seed: int
) -> Annotated[FeatureSet, "site_features"]:
    """What the frozen blocks make of the site's pictures in each orientation; they have no labels to read."""
    return prepare_pictures(site.pictures, manifest, settings, reading, seed)


@step
def adapt_fold(
    fold: int,
    manifest: pd.DataFrame,
    site: Site,
    features: FeatureSet,
    site_features: FeatureSet,
    settings: LearningSettings,
    adaptation: AdaptationSettings,
    seed: int,
) -> Annotated[FoldOutcome, "fold"]:
    """Move the network that never saw this fold, and let it answer for the fold."""
    networks, started = NetworkStore(locate_home().networks), time.monotonic()
    learnt = networks.read(site.beginning.folds[fold])
    with one_per_core:
        network = adapted_network(learnt, site.pictures, site_features, settings, adaptation, seed=seed, threads=1)
        seconds = time.monotonic() - started
        return answer_fold(network, manifest, fold, features, epochs=0, seconds=seconds, networks=networks)


@step
def adapt_model(
    manifest: pd.DataFrame,
    outcomes: list[FoldOutcome],
    site: Site,
    features: FeatureSet,
    site_features: FeatureSet,
    config: RunConfig,
) -> tuple[Annotated[Path, "package"], Annotated[list[Epoch], "curves"]]:
    """Move the base itself, calibrate it by its folds, and write the model package; nothing is learnt by epochs."""
    folder, home = Path(tempfile.mkdtemp(prefix="hematovision-")) / "package", locate_home()
    golden, seed = load_golden(Path(site.golden_folder)), config.seed
    learnt = NetworkStore(home.networks).read(site.beginning.model)
    network = adapted_network(
        learnt, site.pictures, site_features, config.learning, config.adaptation, seed=seed, threads=1
    )
    origin = Origin(site.version, golden, site.synthetic, config.reading.max_pixels, config.reading.min_side)
    build_model(
        folder,
        manifest,
        network.learnt(),
        outcomes,
        features,
        origin,
        config.learning,
        config.trust,
        seed=seed,
        adapted=site.adapted,
    )
    run, cells = str(get_step_context().pipeline_run.id), int((manifest["fold"] >= 0).sum())
    record_training(home, config.records.database, folder, golden, run=run, cells=cells, continues=site.adapted.base)
    log_metadata({"model_digest": package_digest(folder)})
    return folder, []
