"""Thresholds with a stated overall false-alarm rate, from windows drawn out of reference and new images together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hematovision.monitoring.statistics import Values, Windows


def draw_windows(
    groups: Sequence[str],
    labels: Sequence[str],
    *,
    size: int,
    count: int,
    class_mix_concentration: float,
    rng: np.random.Generator,
    cells_per_group: Sequence[int] | None = None,
) -> Windows:
    """`count` random windows of up to `size` of a pool of N images, as (count, N) rows of 0 and 1.

    Cells of one group (slide, patient, photograph) share a look, so a window is filled group by group, in random order:
    with whole groups, or with as many cells of each as `cells_per_group` says (the make-up of the window to be judged).
    The mix of `labels` varies from window to window around the pool's own, as a Dirichlet distribution with that
    concentration. The rest of each row is the part it is compared with, so no image is ever compared with itself.
    """
    members, group_names = pd.factorize(np.asarray(groups))
    weights = _class_weights(labels, count, class_mix_concentration / (1 - size / len(members)) ** 2, rng)
    group_sizes = np.bincount(members)
    group_weights = weights @ (np.eye(len(group_names))[members] / group_sizes)
    group_order = np.argsort(-_random_keys(group_weights, rng), axis=1)
    turn = np.argsort(group_order, axis=1)[:, members]
    within = np.argsort(np.argsort(-_random_keys(weights, rng), axis=1), axis=1) / len(members)
    order = np.argsort(turn + within, axis=1)

    starts = np.cumsum(group_sizes[group_order], axis=1) - group_sizes[group_order]
    turn = np.take_along_axis(turn, order, axis=1)
    place = np.arange(len(members)) - np.take_along_axis(starts, turn, axis=1)
    allowed = place < _quotas(cells_per_group or [size], count, len(group_names), rng)[np.arange(count)[:, None], turn]
    taken = allowed & (np.cumsum(allowed, axis=1) <= size)
    windows = np.zeros((count, len(members)), dtype=np.float32)
    np.put_along_axis(windows, order, taken.astype(np.float32), axis=1)
    return windows


def _class_weights(labels: Sequence[str], count: int, concentration: float, rng: np.random.Generator) -> Values:
    """How much likelier than by its share each cell is to be drawn, (count, N)."""
    classes, names = pd.factorize(np.asarray(labels))
    shares = np.bincount(classes, minlength=len(names)) / len(classes)
    mixes = rng.dirichlet(concentration * shares, size=count)
    return np.asarray(np.maximum(mixes / shares, np.finfo(np.float64).tiny)[:, classes])


def _random_keys(weights: Values, rng: np.random.Generator) -> Values:
    """Keys whose descending order is a weighted sample without replacement (Efraimidis & Spirakis 2006)."""
    return np.asarray(np.log(weights) + rng.gumbel(size=weights.shape))


def _quotas(cells_per_group: Sequence[int], count: int, n_groups: int, rng: np.random.Generator) -> NDArray[np.int64]:
    repeated = np.resize(np.asarray(cells_per_group, dtype=np.int64), n_groups)
    return rng.permuted(np.tile(repeated, (count, 1)), axis=1)


def thresholds(drawn: Values, *, false_alarm_rate: float) -> Values:
    """One threshold per signal such that at most `false_alarm_rate` of the drawn windows exceed any of them.

    `drawn` is (B, S): S signals of B windows without drift, larger meaning further off. All signals get the same
    exceedance rank, the largest that keeps the joint rate: the min-p form of Westfall and Young (1993), which unlike
    Bonferroni does not pay for signals that say the same thing.
    """
    descending = -np.sort(-drawn, axis=0)
    # How many windows are at least as far off, itself included: a signal that is the same in all says nothing of any.
    at_least = np.stack(
        [np.searchsorted(-descending[:, s], -drawn[:, s], side="right") for s in range(drawn.shape[1])], axis=1
    )
    best = np.sort(at_least.min(axis=1))
    rank = int(best[int(np.floor(false_alarm_rate * len(drawn)))]) - 1
    return np.asarray(descending[rank])


def p_values(drawn: Values, observed: Values) -> Values:
    """Share of the drawn windows at least as far off as the observed one, per signal; never 0 (Phipson, Smyth 2010)."""
    return np.asarray((1 + (drawn >= observed).sum(axis=0)) / (1 + len(drawn)))
