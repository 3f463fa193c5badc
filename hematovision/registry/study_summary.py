"""The end of a search: the best configuration as a file, the plots, the summary that the command line prints."""

import csv
import hashlib
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from hematovision.config import RunConfig, differences, load_config, overlay
from hematovision.errors import HematoVisionError
from hematovision.evaluation.intervals import Interval
from hematovision.home import Home
from hematovision.learning.search.settings import Scalar
from hematovision.learning.search.study import folds_of, grid_size, ranked, reason_of, seconds_of
from hematovision.learning.search.trials import FoldScore, mean_score, score_interval
from hematovision.registry.publication import flat_settings
from hematovision.registry.study_page import study_page
from hematovision.registry.study_tracking import finish_tracking, track_study

_SHOWN = 5
_HEADER = """\
# The best of {count} trials of the search {study}, by {objective} over {folds} inner folds.
# Its selection score, {score:.4f}, is flattering: it chose this file. The folds of a run with this file are the same
# cells, so they flatter too; the golden set of that run is what no trial has seen.
#   hematovision run --config {path}
"""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class TrialSummary(_Part):
    """A complete trial; `selection_score` is its objective with an interval over the inner folds."""

    number: int
    parameters: dict[str, Scalar]
    selection_score: Interval
    macro_f1: float
    log_loss: float
    seconds: float


class TrialCounts(_Part):
    """How the trials ended; `grid` is the number of points of a grid, None for other methods."""

    complete: int
    pruned: int
    failed: int
    grid: int | None


class StudySummary(_Part):
    """What a search ends with; `hematovision search --json` prints it."""

    study: str
    method: str
    objective: str
    folds: int
    cells: int
    synthetic: bool
    trials: TrialCounts
    best: TrialSummary
    top: list[TrialSummary]
    selection_score_is_biased: bool = True
    best_config: str
    next: str
    page: str
    table: str
    mlflow_run: str


def study_name(config: RunConfig) -> str:
    """The name given, or one that follows from data, settings and space: the same command goes on where it stopped."""
    if config.search.study:
        return config.search.study
    described = config.model_dump_json(exclude={"search": {"trials", "at_once", "storage", "study"}})
    return f"{config.search.method}-{hashlib.sha256(described.encode()).hexdigest()[:8]}"


def best_config(config: RunConfig, parameters: Mapping[str, Scalar]) -> dict[str, Any]:
    """The overlay on the defaults that stands for a configuration with these settings, without the search."""
    changes: dict[str, Any] = {}
    for key, value in parameters.items():
        nested: Any = value
        for part in reversed(key.split(".")):
            nested = {part: nested}
        changes = overlay(changes, nested)
    chosen = RunConfig.model_validate(overlay(config.model_dump(), changes))
    return {key: value for key, value in differences(chosen).items() if key != "search"}


def _summed_up(trial: Any, folds: list[FoldScore], config: RunConfig) -> TrialSummary:
    return TrialSummary(
        number=trial.number,
        parameters=trial.params,
        selection_score=score_interval(folds, config.search.objective, confidence=config.evaluation.confidence),
        macro_f1=mean_score(folds, "macro_f1"),
        log_loss=mean_score(folds, "log_loss"),
        seconds=round(seconds_of(trial), 3),
    )


def _table(study: Any, config: RunConfig) -> str:
    """Every trial, one row each, as CSV."""
    written = StringIO()
    rows = csv.writer(written, lineterminator="\n")
    scores = [f"{name}_{fold + 1}" for name in ("macro_f1", "log_loss") for fold in range(config.search.folds)]
    rows.writerow(["trial", "state", "seconds", *config.search.space, *scores, "reason"])
    for trial in study.get_trials(deepcopy=False):
        found = {
            f"{name}_{fold.fold + 1}": getattr(fold, name)
            for fold in folds_of(trial)
            for name in ("macro_f1", "log_loss")
        }
        values = [trial.params.get(key, "") for key in config.search.space]
        figures = [found.get(name, "") for name in scores]
        rows.writerow([trial.number, trial.state.name.lower(), seconds_of(trial), *values, *figures, reason_of(trial)])
    return written.getvalue()


def _counts(study: Any, config: RunConfig) -> TrialCounts:
    states = [trial.state.name for trial in study.get_trials(deepcopy=False)]
    return TrialCounts(
        complete=states.count("COMPLETE"),
        pruned=states.count("PRUNED"),
        failed=states.count("FAIL"),
        grid=grid_size(config.search),
    )


def track(home: Home, study: Any, config: RunConfig) -> str:
    """Bring MLflow up to date with the study; returns the parent's run."""
    search = config.search.model_dump(mode="json", exclude={"storage", "space"})
    space = {f"space.{key}": str(knob.model_dump(exclude_defaults=True)) for key, knob in config.search.space.items()}
    described = {f"search.{key}": str(value) for key, value in search.items()} | space | flat_settings(config)
    return track_study(home, config.registry.model_name, study, described)


def conclude(home: Home, study: Any, config: RunConfig, *, cells: int, synthetic: bool) -> StudySummary:
    """Write best.yaml, page and table, log them, and sum up.

    Raises:
        HematoVisionError: no trial was scored on every fold.
    """
    order = ranked(study, config.search)
    if not order:
        reasons = sorted({reason_of(trial) for trial in study.get_trials(deepcopy=False)} - {""})
        raise HematoVisionError(f"No trial of {study.study_name} came to an end: {'; '.join(reasons)}")
    top = [_summed_up(trial, folds, config) for trial, folds in order[:_SHOWN]]
    files = _written(home.studies / study.study_name, study, config, top[0], len(study.trials))
    run = track(home, study, config)
    metrics = {f"best_{config.search.objective}": top[0].selection_score.value, "trials": float(len(study.trials))}
    finish_tracking(home, config.registry.model_name, run, metrics, list(files.values()))
    return StudySummary(
        study=study.study_name,
        method=config.search.method,
        objective=config.search.objective,
        folds=config.search.folds,
        cells=cells,
        synthetic=synthetic,
        trials=_counts(study, config),
        best=top[0],
        top=top,
        best_config=str(files["best.yaml"]),
        next=f"hematovision run --config {files['best.yaml']}",
        page=str(files["search.html"]),
        table=str(files["trials.csv"]),
        mlflow_run=run,
    )


def _written(folder: Path, study: Any, config: RunConfig, best: TrialSummary, count: int) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    names = {name: folder / name for name in ("best.yaml", "search.html", "trials.csv")}
    header = _HEADER.format(
        count=count,
        study=study.study_name,
        objective=config.search.objective,
        folds=config.search.folds,
        score=best.selection_score.value,
        path=names["best.yaml"],
    )
    chosen = yaml.safe_dump(best_config(config, best.parameters), sort_keys=False)
    names["best.yaml"].write_text(header + chosen, encoding="utf-8")
    load_config(names["best.yaml"])
    names["search.html"].write_text(study_page(study, config.search, seed=config.seed), encoding="utf-8")
    names["trials.csv"].write_text(_table(study, config), encoding="utf-8")
    return names
