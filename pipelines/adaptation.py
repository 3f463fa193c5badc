"""From a registered version and unlabelled pictures of a new site to a registered challenger."""

from zenml import pipeline, unmapped

from hematovision.config import RunConfig
from hematovision.improvement.new_site import Site
from pipelines.training import Learnt, evaluate_learnt, register_and_judge
from steps.adapt import adapt_fold, adapt_model, extract_site, open_base
from steps.caching import LIBRARY_CACHE
from steps.ingest import validate
from steps.learn import extract_features, list_folds


def move(config: RunConfig, site: Site) -> Learnt:
    """A version to the same version with other batch norms, its folds moved like it."""
    manifest, left_out, version = open_base(site)
    validation, _ = validate(manifest, version, config.validation, config.records, "splits")
    features = extract_features(manifest, config.learning, config.reading, config.seed)
    pictures = extract_site(site, manifest, config.learning, config.reading, config.seed)
    outcomes = adapt_fold.map(
        fold=list_folds(len(site.beginning.folds)),
        manifest=unmapped(manifest),
        site=unmapped(site),
        features=unmapped(features),
        site_features=unmapped(pictures),
        settings=unmapped(config.learning),
        adaptation=unmapped(config.adaptation),
        seed=unmapped(config.seed),
    )
    package, curves = adapt_model(manifest, outcomes, site, features, pictures, config)
    return Learnt(manifest, left_out, validation, site.golden_folder, version, features, outcomes, package, curves)


@pipeline(dynamic=True, cache_policy=LIBRARY_CACHE)
def adaptation_pipeline(config: RunConfig, site: Site) -> None:
    """Move folds and model towards the site, then compare, report, register and judge like any version."""
    register_and_judge(evaluate_learnt(move(config, site), config), config)
