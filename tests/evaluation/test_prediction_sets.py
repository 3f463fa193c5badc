"""Sets hold the truth as often as they promise, are never empty, and judge no cell by itself."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from hematovision.errors import HematoVisionError
from hematovision.evaluation.calibration import softmax
from hematovision.evaluation.cross_fitting import cross_fit, fit_served
from hematovision.evaluation.prediction_sets import SetRule, fit_sets, named, rank_of


def cells(n: int, classes: int, seed: int, strength: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that point to the truth more or less, and the truth."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % classes
    return rng.normal(size=(n, classes)) + strength * rng.random((n, 1)) * np.eye(classes)[truth], truth


@given(n=st.integers(0, 3000), percent=st.integers(1, 999))
def test_the_rank_is_exact_where_floating_point_is_not(n: int, percent: int) -> None:
    assert rank_of(n, percent / 1000) == math.ceil((n + 1) * percent / 1000 - 1e-9)
    assert rank_of(19, 0.95) == 19 and rank_of(18, 0.95) == 19  # 20 * 0.95 is no hair above 19


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), confidence=st.sampled_from([0.8, 0.9, 0.95]))
def test_new_exchangeable_cells_of_every_class_are_covered_as_promised(seed: int, confidence: float) -> None:
    logits, truth = cells(12_000, 3, seed)
    fitted, new = slice(0, 600), slice(600, None)
    rule = fit_sets(softmax(logits[fitted], 1.0), truth[fitted], confidence=confidence)
    found = rule.uncompleted(softmax(logits[new], 1.0))
    for number in range(3):
        own = truth[new] == number
        covered, n, rank = int(found[own, number].sum()), int(own.sum()), rank_of(200, confidence)
        # The coverage a calibration set of 200 gives is Beta(rank, 201 - rank); then cells are drawn from it.
        low, high = beta.ppf([1e-6, 1 - 1e-6], rank, 201 - rank)
        assert binom.ppf(1e-6, n, low) <= covered <= binom.ppf(1 - 1e-6, n, high)


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 6), n=st.integers(1, 60))
def test_a_set_always_holds_the_most_probable_class(seed: int, classes: int, n: int) -> None:
    logits, truth = cells(n, classes, seed)
    probabilities = softmax(logits, 1.0)
    sets = fit_sets(probabilities, truth, confidence=0.5).sets(probabilities)
    assert sets[np.arange(n), probabilities.argmax(axis=1)].all()


@given(seed=st.integers(0, 10_000), pair=st.tuples(st.floats(0.05, 0.99), st.floats(0.05, 0.99)))
def test_more_confidence_never_takes_a_class_away(seed: int, pair: tuple[float, float]) -> None:
    logits, truth = cells(90, 3, seed)
    probabilities = softmax(logits, 1.0)
    small, large = (fit_sets(probabilities, truth, confidence=c).sets(probabilities) for c in sorted(pair))
    assert (small <= large).all()


@given(seed=st.integers(0, 10_000), order=st.permutations(range(4)))
def test_classes_in_another_order_give_the_same_sets_in_that_order(seed: int, order: list[int]) -> None:
    logits, truth = cells(80, 4, seed)
    probabilities = softmax(logits, 1.0)
    plain = fit_sets(probabilities, truth, confidence=0.9).sets(probabilities)
    moved = probabilities[:, order]
    again = fit_sets(moved, np.argsort(order)[truth], confidence=0.9).sets(moved)
    np.testing.assert_array_equal(plain[:, order], again)


def test_a_class_with_too_few_cells_is_in_every_set_and_said_to_be() -> None:
    logits, truth = cells(60, 3, 1)
    kept = (truth != 2) | (np.cumsum(truth == 2) <= 18)  # 19 cells are needed for 95 %
    rule = fit_sets(softmax(logits[kept], 1.0), truth[kept], confidence=0.95)
    assert rule.cells == [20, 20, 18]
    assert rule.limits[2] is None and rule.always == [2]
    assert rule.sets(softmax(logits, 1.0))[:, 2].all()
    assert SetRule.model_validate_json(rule.model_dump_json()) == rule


def test_sets_are_named_the_most_probable_class_first() -> None:
    sets = np.array([[True, False, True], [False, True, False]])
    assert named(sets, np.array([[0.3, 0.1, 0.6], [0.2, 0.7, 0.1]]), ["a", "b", "c"]) == [["c", "a"], ["b"]]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(HematoVisionError, match="cannot fit"):
        fit_sets(np.array([[0.5, np.nan]]), np.array([0]), confidence=0.9)
    with pytest.raises(HematoVisionError, match="do not fit a rule"):
        fit_sets(np.full((4, 2), 0.5), np.array([0, 1, 0, 1]), confidence=0.5).sets(np.ones((1, 3)))
    with pytest.raises(HematoVisionError, match="two folds"):
        cross_fit(np.zeros((4, 2)), np.array([0, 1, 0, 1]), np.zeros(4, dtype=int), confidence=0.9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), fold=st.integers(0, 2))
def test_a_fold_is_judged_by_the_others_alone(seed: int, fold: int) -> None:
    logits, truth = cells(180, 3, seed)
    folds = np.arange(180) // 3 % 3
    own = folds == fold
    found = cross_fit(logits, truth, folds, confidence=0.9)
    temperature, rule = fit_served(logits[~own], truth[~own], confidence=0.9)
    np.testing.assert_array_equal(found.probabilities[own], softmax(logits[own], temperature))
    np.testing.assert_array_equal(found.sets[own], rule.sets(found.probabilities[own]))
    # Nothing that the fold's own labels say changes what its cells are told …
    relabelled = cross_fit(logits, np.where(own, (truth + 1) % 3, truth), folds, confidence=0.9)
    np.testing.assert_array_equal(relabelled.sets[own], found.sets[own])
    np.testing.assert_array_equal(relabelled.probabilities[own], found.probabilities[own])
    # … while it does change what the others are told.
    assert not np.array_equal(relabelled.probabilities[~own], found.probabilities[~own])


def test_out_of_fold_coverage_is_near_the_confidence() -> None:
    logits, truth = cells(3000, 3, 7)
    found = cross_fit(logits, truth, np.arange(3000) // 3 % 5, confidence=0.95)
    assert found.uncompleted[np.arange(3000), truth].mean() == pytest.approx(0.95, abs=0.012)
    assert found.sets.any(axis=1).all()
