"""Windows drawn from the reference, and the thresholds they give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hematovision.monitoring.calibration import draw_windows, p_values, thresholds


def draw(groups: list[str], *, size: int, labels: list[str] | None = None, **options: object) -> np.ndarray:
    given_options = {"count": 60, "class_mix_concentration": 1e6, "rng": np.random.default_rng(3)} | options
    return draw_windows(groups, labels or ["a"] * len(groups), size=size, **given_options)  # type: ignore[arg-type]


@given(sizes=st.lists(st.integers(1, 7), min_size=2, max_size=12), data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_window_has_its_size_and_breaks_at_most_one_group(sizes: list[int], data: st.DataObject) -> None:
    groups = [f"slide {number}" for number, size in enumerate(sizes) for _ in range(size)]
    size = data.draw(st.integers(1, max(1, len(groups) // 2)))
    windows = draw(groups, size=size)
    assert set(np.unique(windows)) <= {0.0, 1.0}
    assert (windows.sum(axis=1) == size).all()
    for window in windows:
        taken = [window[[name == group for name in groups]] for group in set(groups)]
        assert sum(0 < part.sum() < len(part) for part in taken) <= 1


def test_cells_per_group_shapes_the_window() -> None:
    groups = [str(number // 10) for number in range(200)]
    windows = draw(groups, size=6, cells_per_group=[2, 2, 2])
    per_group = windows.reshape(60, 20, 10).sum(axis=2)
    assert (np.sort(per_group, axis=1)[:, -3:] == 2).all()
    assert (windows.sum(axis=1) == 6).all()


def test_every_cell_is_as_likely_as_another() -> None:
    windows = draw([str(number) for number in range(40)], size=10, count=4000)
    assert windows.mean(axis=0) == pytest.approx(0.25, abs=0.04)


def test_the_class_mix_varies_as_much_as_told() -> None:
    labels = ["a"] * 500 + ["b"] * 500
    cells = [str(number) for number in range(1000)]
    spread = {
        concentration: draw(cells, size=200, labels=labels, count=400, class_mix_concentration=concentration)[:, :500]
        .mean(axis=1)
        .std()
        * 500
        / 200
        for concentration in (1e6, 20.0)
    }
    assert spread[1e6] < 0.04
    # Beta(10, 10) has a standard deviation of .109, less the part that the rest moves the other way.
    assert spread[20.0] == pytest.approx(0.109 * 0.8, rel=0.2)


def test_the_same_seed_draws_the_same_windows() -> None:
    groups = [str(number // 3) for number in range(60)]
    assert (draw(groups, size=12) == draw(groups, size=12)).all()


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_thresholds_keep_the_joint_rate_for_correlated_signals(rate: float) -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(size=(4000, 1))
    signals = np.hstack([common + 0.1 * rng.normal(size=(4000, 4)), rng.exponential(size=(4000, 5))])
    limits = thresholds(signals[:2000], false_alarm_rate=rate)
    inside = (signals[:2000] > limits).any(axis=1).mean()
    assert rate * 0.7 <= inside <= rate
    assert (signals[2000:] > limits).any(axis=1).mean() == pytest.approx(rate, abs=0.025)


def test_thresholds_of_constant_signals_alarm_only_above_the_constant() -> None:
    limits = thresholds(np.zeros((200, 2)), false_alarm_rate=0.05)
    assert limits == pytest.approx([0, 0])


def test_a_signal_that_never_changes_leaves_the_others_their_thresholds() -> None:
    signals = np.random.default_rng(2).normal(size=(2000, 3))
    constant = np.ones((2000, 1))
    alone = thresholds(signals, false_alarm_rate=0.05)
    assert thresholds(np.hstack([signals, constant]), false_alarm_rate=0.05) == pytest.approx([*alone, 1])
    coarse = (np.random.default_rng(3).random((2000, 1)) < 0.1).astype(float)
    limits = thresholds(np.hstack([signals, coarse]), false_alarm_rate=0.05)
    assert 0.03 <= (np.hstack([signals, coarse]) > limits).any(axis=1).mean() <= 0.05


def test_p_values_are_never_0() -> None:
    drawn = np.arange(99.0)[:, None]
    assert p_values(drawn, np.array([1e9])) == pytest.approx([0.01])
    assert p_values(drawn, np.array([-1.0])) == pytest.approx([1.0])
