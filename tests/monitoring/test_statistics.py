"""The statistics against scipy and against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from hematovision.monitoring import statistics


def windows_of(*masks: list[int]) -> np.ndarray:
    return np.asarray(masks, dtype=np.float32)


@given(
    values=st.lists(st.integers(0, 6), min_size=4, max_size=40),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_kolmogorov_smirnov_is_scipys_with_ties(values: list[int], seed: int) -> None:
    pool = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    windows = np.stack([rng.permutation(len(pool)) < size for size in (1, len(pool) // 2, len(pool) - 1)])
    found = statistics.kolmogorov_smirnov(pool, windows.astype(np.float32))
    expected = [ks_2samp(pool[window], pool[~window]).statistic for window in windows]
    assert found == pytest.approx(expected)


def test_jensen_shannon_is_scipys_and_0_for_equal_shares() -> None:
    classes = np.array([0, 0, 1, 2, 2, 2, 0, 1])
    windows = windows_of([1, 1, 1, 0, 0, 0, 0, 0], [1, 0, 1, 1, 0, 0, 0, 0])
    found = statistics.jensen_shannon(np.eye(3)[classes], windows)
    assert found[0] == pytest.approx(jensenshannon([2, 1, 0], [1, 1, 3], base=2))
    same = statistics.jensen_shannon(np.eye(2)[[0, 1, 0, 1]], windows_of([1, 1, 0, 0]))
    assert same[0] == pytest.approx(0, abs=1e-7)


def test_mean_difference_and_distance() -> None:
    windows = windows_of([1, 1, 0, 0], [1, 0, 0, 0])
    values = np.array([1.0, 3.0, 10.0, 20.0])
    assert statistics.mean_difference(values, windows) == pytest.approx([-13, 1 - 11])
    assert statistics.mean_distance(np.stack([values, values], axis=1), windows) == pytest.approx(
        np.sqrt(2) * np.array([13, 10])
    )


def test_maximum_mean_discrepancy_is_the_double_sum_of_its_definition() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(9, 3)).astype(np.float32)
    window = np.array([1, 0, 1, 1, 0, 0, 0, 1, 0])
    kernel = statistics.gaussian_kernel(points, squared_bandwidth=2.0)
    x, y = points[window == 1], points[window == 0]

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-((a - b) ** 2).sum() / 2.0))

    within = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / (4 * 3)
    rest = sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / (5 * 4)
    across = sum(k(a, b) for a in x for b in y) / (4 * 5)
    found = statistics.maximum_mean_discrepancy(kernel, window[None].astype(np.float32))
    assert found[0] == pytest.approx(within + rest - 2 * across, abs=1e-5)


def test_maximum_mean_discrepancy_of_a_window_of_one_is_a_number() -> None:
    kernel = statistics.gaussian_kernel(np.eye(4, dtype=np.float32), squared_bandwidth=1.0)
    assert np.isfinite(statistics.maximum_mean_discrepancy(kernel, windows_of([1, 0, 0, 0]))).all()


def test_the_bandwidth_is_the_median_and_never_0() -> None:
    assert statistics.median_squared_distance(np.float32([[0], [1], [3]])) == pytest.approx(4)
    assert statistics.median_squared_distance(np.zeros((5, 2), dtype=np.float32)) > 0
