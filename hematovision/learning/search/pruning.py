"""Whether a trial is hopeless after its first folds: a comparison with peers that reads nothing but numbers.

The pruners are optuna's, asked in a study that lives in memory: whoever scores a trial needs no access to the search's
database, and the answer does not depend on who else is scoring at the same moment.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from hematovision.learning.search.settings import PruningSettings
from hematovision.learning.search.trials import Objective


def running_means(values: Sequence[float]) -> list[float]:
    """Mean of the first value, of the first two, and so on."""
    return [float(mean) for mean in np.cumsum(values) / np.arange(1, len(values) + 1)]


def hopeless(
    values: Sequence[float], peers: Sequence[Sequence[float]], objective: Objective, settings: PruningSettings
) -> bool:
    """Whether a trial with these fold scores is to be given up.

    Args:
        values: objective of its folds so far, in order.
        peers: objective of every fold of the complete trials it is compared with.
    """
    if settings.kind == "none" or not peers or len(values) < settings.after_folds:
        return False
    import optuna

    pruner = _median(settings) if settings.kind == "median" else _wilcoxon(settings)
    told = running_means if settings.kind == "median" else list
    study = optuna.create_study(direction=direction(objective), pruner=pruner)
    for peer in peers:
        values_by_fold = dict(enumerate(told(peer)))
        study.add_trial(optuna.create_trial(value=float(np.mean(peer)), intermediate_values=values_by_fold))
    trial = study.ask()
    for fold, value in enumerate(told(values)):
        trial.report(value, fold)
    return bool(trial.should_prune())


def direction(objective: Objective) -> Literal["maximize", "minimize"]:
    """Optuna's word for which end is better."""
    return "maximize" if objective == "macro_f1" else "minimize"


def _median(settings: PruningSettings) -> Any:
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=settings.startup_trials, n_warmup_steps=settings.after_folds - 1)


def _wilcoxon(settings: PruningSettings) -> Any:
    from optuna.exceptions import ExperimentalWarning
    from optuna.pruners import WilcoxonPruner

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return WilcoxonPruner(p_threshold=settings.p_threshold, n_startup_steps=settings.after_folds)
