import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binomtest

from hematovision.evaluation.intervals import (
    Interval,
    Sampling,
    auroc_interval,
    bounded_mean,
    confusion_limits,
    effective_size,
    proportion,
)

INDEPENDENT = Sampling(share=1.0, confidence=0.95, resamples=1000, seed=0)


def macro_recall(confusion: np.ndarray) -> np.ndarray:
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return (hits / confusion.sum(axis=-1)).mean(axis=-1, keepdims=True)


def test_an_interval_serialises_as_three_numbers_and_keeps_its_order():
    assert Interval(value=0.5, low=0.25, high=0.75).model_dump_json() == '{"value":0.5,"low":0.25,"high":0.75}'
    with pytest.raises(ValidationError, match="low <= value <= high"):
        Interval(value=0.5, low=0.6, high=0.7)


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 10), (20, 20), (99, 100)])
def test_a_proportion_of_independent_cells_is_scipys_exact_interval(hits: int, n: int):
    exact = binomtest(hits, n).proportion_ci(confidence_level=0.95, method="exact")
    interval = proportion(hits, n, share=1.0, confidence=0.95)
    assert (interval.low, interval.high) == pytest.approx((exact.low, exact.high))


def test_no_cell_says_nothing():
    assert proportion(0, 0, share=1.0, confidence=0.95) == Interval(value=0, low=0, high=1)


@given(
    n=st.integers(1, 500),
    share_of_hits=st.floats(0, 1),
    share=st.floats(0.01, 1),
    confidence=st.sampled_from([0.8, 0.95, 0.99]),
)
def test_a_proportion_contains_its_value_and_never_collapses(
    n: int, share_of_hits: float, share: float, confidence: float
):
    hits = round(n * share_of_hits)
    interval = proportion(hits, n, share=share, confidence=confidence)
    assert 0 <= interval.low <= interval.value == hits / n <= interval.high <= 1
    assert interval.high > interval.low


@given(value=st.floats(0, 1), positives=st.floats(0.5, 1000), negatives=st.floats(0.5, 1000))
def test_an_area_under_the_curve_contains_its_value_and_never_collapses(
    value: float, positives: float, negatives: float
):
    interval = auroc_interval(value, positives, negatives, confidence=0.95)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.high > interval.low


def test_an_area_far_from_one_has_the_width_of_hanley_and_mcneil():
    area, side = 0.8, 200
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (side - 1) * (q1 + q2 - 2 * area**2)) / side**2
    interval = auroc_interval(area, side, side, confidence=0.95)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.03)


def test_independent_cells_and_cells_alone_in_their_group_count_fully():
    correct = np.array([1.0, 0, 1, 1, 0, 1])
    assert effective_size(correct, None, confidence=0.95) == 6
    assert effective_size(correct, list("abcdef"), confidence=0.95) == 6


def test_groups_that_agree_inside_count_about_once_each():
    correct = np.repeat([1.0, 0, 1, 1, 0, 1, 0, 1, 1, 1] * 10, 20)
    groups = [str(i // 20) for i in range(len(correct))]
    assert effective_size(correct, groups, confidence=0.95) == pytest.approx(100, rel=0.05)
    assert effective_size(correct, ["one"] * len(correct), confidence=0.95) == 1


def test_few_groups_widen_even_without_any_error():
    sizes = [effective_size(np.ones(400), [str(i % g) for i in range(400)], confidence=0.95) for g in (2, 8, 40, 400)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 12
    assert sizes[-1] == 400


def test_a_bounded_mean_of_zeros_and_ones_is_the_exact_interval():
    scores = np.array([1.0] * 7 + [0.0] * 33)
    drawn = bounded_mean(scores, Sampling(share=1.0, confidence=0.95, resamples=20_000, seed=3))
    exact = proportion(7, 40, share=1.0, confidence=0.95)
    assert (drawn.low, drawn.high) == pytest.approx((exact.low, exact.high), abs=0.01)


def test_macro_limits_cover_the_truth_where_a_bootstrap_would_collapse():
    """Eight classes of 20 cells, 99 % right: one in five golden sets shows no error at all."""
    rng = np.random.default_rng(5)
    classes, n, right = 8, 20, 0.99
    chances = np.eye(classes) * right + (1 - np.eye(classes)) * (1 - right) / (classes - 1)
    sampling = Sampling(share=1.0, confidence=0.95, resamples=200, seed=0)
    covered, flawless = [], 0
    for _ in range(200):
        confusion = rng.multinomial(n, chances)
        low, high = confusion_limits(confusion, macro_recall, sampling)
        flawless += int(np.trace(confusion) == classes * n)
        assert high[0] > low[0]
        covered.append(low[0] <= right <= high[0])
    assert flawless > 20
    assert np.mean(covered) >= 0.93


def test_clustered_accuracy_covers_where_a_binomial_interval_does_not():
    rng = np.random.default_rng(7)
    groups, size, right, correlation = 8, 50, 0.98, 0.05
    names = np.repeat(np.arange(groups), size).astype(str)
    grouped, naive = [], []
    for _ in range(300):
        rates = rng.beta(right * (1 / correlation - 1), (1 - right) * (1 / correlation - 1), groups)
        correct = (rng.random((groups, size)) < rates[:, None]).astype(float).ravel()
        share = effective_size(correct, list(names), confidence=0.95) / len(correct)
        for found, part in ((grouped, share), (naive, 1.0)):
            interval = proportion(correct.sum(), len(correct), share=part, confidence=0.95)
            found.append(interval.low <= right <= interval.high)
    assert np.mean(grouped) >= 0.9
    assert np.mean(naive) < 0.85


@settings(max_examples=40, deadline=None)
@given(
    confusion=st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=3, max_size=3),
    share=st.floats(0.05, 1),
)
def test_macro_limits_stay_in_order(confusion: list[list[int]], share: float):
    counts = np.array(confusion) + np.eye(3, dtype=int)
    low, high = confusion_limits(counts, macro_recall, Sampling(share, 0.95, 200, 1))
    assert 0 <= low[0] < high[0] <= 1
