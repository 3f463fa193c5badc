"""Hyper-parameter search: cells it may see, a study asked and told, trials scored side by side, the best kept."""

import threading
from functools import partial
from pathlib import Path
from typing import Annotated

import pandas as pd
from zenml import log_metadata, step
from zenml.types import HTMLString

from hematovision.config import RunConfig
from hematovision.data.golden import load_golden
from hematovision.data.manifest import manifest_digest
from hematovision.data.pin import DataPin
from hematovision.home import locate_home
from hematovision.learning import folds
from hematovision.learning.search import study as studies
from hematovision.learning.search.bench import Bench, inner_folds
from hematovision.learning.search.space import check_space
from hematovision.learning.search.trials import TrialOutcome, TrialRequest
from hematovision.learning.settings import LearningSettings
from hematovision.progress import advance, set_progress
from hematovision.registry.study_summary import StudySummary, conclude, study_name, track
from steps.learn import one_per_core, prepare_features

BAR = "Inner folds"
"""The progress bar that whoever runs the pipeline opens; folds of all trials fill it."""

_benches: dict[str, Bench] = {}
_making = threading.Lock()


@step
def choose_cells(
    manifest: pd.DataFrame, golden_folder: str, config: RunConfig
) -> tuple[Annotated[pd.DataFrame, "cells"], Annotated[LearningSettings, "learning"]]:
    """The development cells with inner folds, and settings whose input size and views are those of an ordinary run."""
    cells = inner_folds(manifest, load_golden(Path(golden_folder)), folds=config.search.folds, seed=config.seed)
    log_metadata({"cells": len(cells), "inner_folds": config.search.folds})
    return cells, folds.resolve_inputs(manifest, config.learning)


@step(enable_cache=False)
def open_study(cells: pd.DataFrame, learning: LearningSettings, config: RunConfig) -> Annotated[str, "study"]:
    """Begin the study, or go on where it was left; refuse a space that names what is no setting."""
    check_space(config.search.space, learning)
    name = study_name(config)
    of = studies.identity(config.search, learning, data=manifest_digest(cells), seed=config.seed)
    study = studies.open_study(name, _url(config), config.search, learning, of)
    begun = studies.finished(study)
    set_progress(BAR, begun * config.search.folds, studies.wanted(config.search) * config.search.folds)
    log_metadata({"study": name, "trials_of_earlier_sittings": begun})
    return name


@step(enable_cache=False)
def ask_trials(study: str, config: RunConfig) -> Annotated[list[TrialRequest], "trials"]:
    """The next round; empty when the study is complete."""
    return studies.ask_round(studies.load_study(study, _url(config)), config.search, seed=config.seed)


@step(enable_cache=False)
def score_trial(
    trial: TrialRequest, cells: pd.DataFrame, learning: LearningSettings, config: RunConfig
) -> Annotated[TrialOutcome, "outcome"]:
    """Train and score one trial on the inner folds; knows nothing of the study, so it may run anywhere."""
    with one_per_core:
        outcome = _bench(cells, config).run(trial, learning, config.search, partial(advance, BAR))
    log_metadata({"trial": outcome.number, "state": outcome.state, "seconds": outcome.seconds})
    return outcome


@step(enable_cache=False)
def tell_trials(study: str, outcomes: list[TrialOutcome], config: RunConfig) -> None:
    """Record a round, in the order it was asked, and show it in MLflow."""
    opened = studies.load_study(study, _url(config))
    for outcome in sorted(outcomes, key=lambda outcome: outcome.number):
        studies.tell(opened, outcome, config.search)
    track(locate_home(), opened, config)


@step(enable_cache=False)
def conclude_study(
    study: str, cells: pd.DataFrame, pinned: DataPin, config: RunConfig
) -> tuple[Annotated[StudySummary, "summary"], Annotated[HTMLString, "page"]]:
    """Write the best configuration, the plots and the table."""
    opened = studies.load_study(study, _url(config))
    summary = conclude(locate_home(), opened, config, cells=len(cells), synthetic=pinned.synthetic)
    log_metadata({"best_trial": summary.best.number, "selection_score": summary.best.selection_score.value})
    return summary, HTMLString(Path(summary.page).read_text(encoding="utf-8"))


def _url(config: RunConfig) -> str:
    return studies.storage_url(config.search, locate_home().studies)


def _bench(cells: pd.DataFrame, config: RunConfig) -> Bench:
    """One bench a process: mapped steps of a local run are its threads and share the features."""
    key = f"{manifest_digest(cells)} {config.search.folds} {config.seed} {config.reading.model_dump_json()}"
    with _making:
        if key not in _benches:
            _benches.clear()
            prepare = partial(prepare_features, cells, reading=config.reading, seed=config.seed)
            _benches[key] = Bench(cells, prepare, seed=config.seed)
        return _benches[key]
