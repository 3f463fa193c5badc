from typing import Any

import numpy as np
import pytest

from hematovision.errors import UsageError
from hematovision.evaluation.cross_validation import CrossValidation, FoldPredictions, pool_folds

NUMBERS: dict[str, Any] = {"confidence": 0.95, "resamples": 200, "seed": 0, "ece_bins": 10}


def fold(number: int, wrong: int, *, n: int = 20, groups: list[str] | None = None) -> FoldPredictions:
    truth = np.arange(n) % 2
    answer = np.where(np.arange(n) < wrong, 1 - truth, truth)
    return FoldPredictions(number, truth, np.eye(2)[answer] * 0.9 + 0.05, groups, epochs=7, seconds=1.5)


def test_the_value_is_the_mean_of_the_folds_not_of_the_cells():
    result = pool_folds(["a", "b"], [fold(1, 10, n=20), fold(0, 0, n=80)], **NUMBERS)
    assert result.accuracy.value == pytest.approx(0.75)
    assert result.pooled.accuracy.value == pytest.approx(0.9)
    assert [(f.fold, f.n, f.epochs) for f in result.folds] == [(0, 80, 7), (1, 20, 7)]


def test_folds_that_agree_are_not_certainty():
    result = pool_folds(["a", "b"], [fold(i, 0) for i in range(5)], **NUMBERS)
    assert result.accuracy.value == 1
    assert result.accuracy.low == pytest.approx(result.pooled.accuracy.low)
    assert 0.9 < result.accuracy.low < 1


def test_folds_that_disagree_widen_beyond_the_pooled_interval():
    result = pool_folds(["a", "b"], [fold(i, wrong, n=100) for i, wrong in enumerate([0, 0, 0, 0, 40])], **NUMBERS)
    # Nadeau & Bengio: t(0.975, 4) * sqrt((1/5 + 1/4) * variance of the folds)
    reach = 2.776 * np.sqrt(0.45 * np.var([1, 1, 1, 1, 0.6], ddof=1))
    assert result.accuracy.low == pytest.approx(0.92 - reach, abs=1e-3)
    assert result.accuracy.low < result.pooled.accuracy.low


def test_groups_count_in_the_pooled_interval_only_where_every_fold_has_them():
    groups = [str(i // 5) for i in range(20)]
    grouped = pool_folds(["a", "b"], [fold(i, 3, groups=[f"{i}-{g}" for g in groups]) for i in range(3)], **NUMBERS)
    assert grouped.pooled.groups == 12
    mixed = pool_folds(["a", "b"], [fold(0, 3, groups=groups), fold(1, 3)], **NUMBERS)
    assert mixed.pooled.groups is None


def test_one_fold_is_refused():
    with pytest.raises(UsageError, match="two or more folds"):
        pool_folds(["a", "b"], [fold(0, 0)], **NUMBERS)


def test_it_survives_json():
    result = pool_folds(["a", "b"], [fold(i, i) for i in range(3)], **NUMBERS)
    assert CrossValidation.model_validate_json(result.model_dump_json()) == result
