"""The study: which trials there are, which come next. Asked and told; who scores them is another's business."""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hematovision.database import database_url
from hematovision.errors import HematoVisionError, UsageError
from hematovision.learning.search.pruning import direction, running_means
from hematovision.learning.search.settings import SearchSettings
from hematovision.learning.search.space import grid, standing
from hematovision.learning.search.trials import OTHER, FoldScore, TrialOutcome, TrialRequest, mean_score
from hematovision.learning.settings import LearningSettings

_FOLDS, _SECONDS, _REASON = "folds", "seconds", "reason"
_IDENTITY, _ROUND = "identity", "round"


def identity(search: SearchSettings, learning: LearningSettings, **further: Any) -> dict[str, str]:
    """What the scores of a study depend on; trials of another identity must not be mixed with them."""
    described = {
        "space": {key: knob.model_dump() for key, knob in search.space.items()},
        "method": search.method,
        "objective": search.objective,
        "folds": search.folds,
        "learning": learning.model_dump(),
        **further,
    }
    return {
        name: hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:16]
        for name, part in described.items()
    }


def storage_url(search: SearchSettings, folder: Path) -> str:
    """Where the study is kept: the user's database, or sqlite in a folder.

    Raises:
        UsageError: an environment variable is named that is not set.
    """
    return database_url(search.storage, folder / "studies.db", named="search.storage")


@cache
def _storage(url: str) -> Any:
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.storages.RDBStorage(url)
    except (SQLAlchemyError, ImportError) as error:
        raise UsageError(f"search.storage cannot be opened: {type(error).__name__}: {error}") from error


def open_study(name: str, url: str, search: SearchSettings, learning: LearningSettings, of: Mapping[str, str]) -> Any:
    """Begin a study, or go on with the one of this name.

    The first trial of a Bayesian search is the base configuration itself, where it lies in the space.

    Raises:
        UsageError: the study of this name was begun with other data, settings or space.
    """
    import optuna

    study = optuna.create_study(
        study_name=name, storage=_storage(url), direction=direction(search.objective), load_if_exists=True
    )
    begun = study.user_attrs.get(_IDENTITY)
    if begun is None:
        if search.method == "bayesian":
            _enqueue_base(study, search, learning)
        study.set_user_attr(_IDENTITY, dict(of))
    elif begun != dict(of):
        differing = ", ".join(sorted(key for key in begun.keys() | of.keys() if begun.get(key) != of.get(key)))
        raise UsageError(
            f"The study {name!r} was begun with another {differing}; its scores cannot be compared with new ones. "
            "Give another --study NAME, or go back to what it was begun with."
        )
    return study


def load_study(name: str, url: str) -> Any:
    """A study that `open_study` has opened before."""
    import optuna

    return optuna.load_study(study_name=name, storage=_storage(url))


def _enqueue_base(study: Any, search: SearchSettings, learning: LearningSettings) -> None:
    values = standing(search.space, learning)
    inside = [
        value in knob.values if knob.kind == "choice" else knob.low <= float(value) <= knob.high
        for (key, knob) in search.space.items()
        for value in [values[key]]
    ]
    if all(inside):
        study.enqueue_trial(values, skip_if_exists=True)


def _sampler(search: SearchSettings, seed: int, round_start: int) -> Any:
    """A sampler whose random numbers depend on the seed and the place in the study alone, so that a resumed search
    goes on as an unbroken one would."""
    from optuna.samplers import GridSampler, TPESampler

    if search.method == "grid":
        return GridSampler(grid(search.space), seed=seed)
    return TPESampler(seed=(seed * 100_003 + round_start) % 2**32, n_startup_trials=search.startup_trials)


def ask_round(study: Any, search: SearchSettings, *, seed: int) -> list[TrialRequest]:
    """The next trials to score, at most `at_once`; empty when the study has all it is to have.

    Trials that were asked and never told, because their process died, come first, under their own numbers and with
    their own values: none is lost, none is scored twice into the study. One process asks at a time (`study_lock`).
    """
    import optuna
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    left_behind = [trial for trial in trials if trial.state == TrialState.RUNNING]
    begun = sum(trial.state != TrialState.WAITING for trial in trials)
    study.sampler = _sampler(search, seed, begun)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        asked = [optuna.trial.Trial(study, trial._trial_id) for trial in left_behind]
        if not asked:
            new = min(search.at_once, wanted(search) - begun)
            asked = [study.ask() for _ in range(new)]
            for trial in asked:
                trial.set_user_attr(_ROUND, begun)
        for trial in asked:
            _suggest(trial, search)
    peers = complete(study)
    return [_request(trial, peers, search) for trial in asked]


def _suggest(trial: Any, search: SearchSettings) -> None:
    for name, knob in search.space.items():
        knob.suggest(trial, name)


def _request(trial: Any, finished: Sequence[tuple[Any, list[FoldScore]]], search: SearchSettings) -> TrialRequest:
    """Peers are what was complete when the round began, so that a trial asked again is compared with the same ones."""
    before = trial.user_attrs.get(_ROUND, trial.number)
    peers = [[getattr(fold, search.objective) for fold in folds] for peer, folds in finished if peer.number < before]
    return TrialRequest(number=trial.number, parameters=trial.params, peers=peers)


def wanted(search: SearchSettings) -> int:
    """Trials the study is to have in the end: those asked for, or all points of a smaller grid."""
    return min(search.trials, grid_size(search) or search.trials)


def grid_size(search: SearchSettings) -> int | None:
    """Points of the grid, None for a search without one."""
    if search.method != "grid":
        return None
    size = 1
    for values in grid(search.space).values():
        size *= len(values)
    return size


def tell(study: Any, outcome: TrialOutcome, search: SearchSettings) -> None:
    """Record an outcome; one already recorded is left as it is."""
    import optuna
    from optuna.trial import TrialState

    found = next((trial for trial in study.get_trials(deepcopy=False) if trial.number == outcome.number), None)
    if found is None:
        raise HematoVisionError(f"the study {study.study_name!r} has no trial {outcome.number}")
    if found.state.is_finished():
        return
    study.sampler = optuna.samplers.RandomSampler()  # a GridSampler would stop a loop that is not there
    trial = optuna.trial.Trial(study, found._trial_id)
    values = [getattr(fold, search.objective) for fold in outcome.folds]
    for fold, mean in enumerate(running_means(values)):
        trial.report(mean, fold)
    trial.set_user_attr(_FOLDS, [fold.model_dump() for fold in outcome.folds])
    trial.set_user_attr(_SECONDS, outcome.seconds)
    if outcome.reason:
        trial.set_user_attr(_REASON, outcome.reason)
    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    value = mean_score(outcome.folds, search.objective) if outcome.state == "complete" else None
    study.tell(trial, value, state=states[outcome.state])


def folds_of(trial: Any) -> list[FoldScore]:
    """Fold scores of a finished trial."""
    return [FoldScore.model_validate(fold) for fold in trial.user_attrs.get(_FOLDS, [])]


def seconds_of(trial: Any) -> float:
    """Time a finished trial took."""
    return float(trial.user_attrs.get(_SECONDS, 0.0))


def reason_of(trial: Any) -> str:
    """Why a trial failed."""
    return str(trial.user_attrs.get(_REASON, ""))


def finished(study: Any) -> int:
    """Number of trials that ended, one way or the other."""
    return sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))


def complete(study: Any) -> list[tuple[Any, list[FoldScore]]]:
    """Trials scored on every fold, in the order they were asked."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [(trial, folds_of(trial)) for trial in sorted(trials, key=lambda trial: trial.number)]


def ranked(study: Any, search: SearchSettings) -> Sequence[tuple[Any, list[FoldScore]]]:
    """Complete trials, the best first: by the objective, then the other figure, then the earlier."""

    def order(item: tuple[Any, list[FoldScore]]) -> tuple[float, float, int]:
        trial, folds = item
        figures = {"macro_f1": -mean_score(folds, "macro_f1"), "log_loss": mean_score(folds, "log_loss")}
        return figures[search.objective], figures[OTHER[search.objective]], trial.number

    return sorted(complete(study), key=order)
