import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hematovision.errors import HematoVisionError
from hematovision.evaluation.calibration import (
    calibration_error_interval,
    expected_calibration_error,
    fit_temperature,
    reliability_bins,
    softmax,
)
from hematovision.evaluation.intervals import Sampling

SAMPLING = Sampling(share=1.0, confidence=0.95, resamples=300, seed=0)


def calibrated_logits(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2.0, size=(n, 4))
    truth = (rng.random(n)[:, None] > softmax(logits, 1.0).cumsum(axis=1)).sum(axis=1)
    return logits, truth


@pytest.mark.parametrize("wanted", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoilt_the_logits_is_found(wanted: float):
    logits, truth = calibrated_logits(20_000, 0)
    assert fit_temperature(logits * wanted, truth) == pytest.approx(wanted, rel=0.05)


def test_cooling_lowers_the_calibration_error_and_keeps_the_answers():
    logits, truth = calibrated_logits(4000, 1)
    proud = softmax(logits * 3, 1.0)
    modest = softmax(logits * 3, fit_temperature(logits * 3, truth))
    before, after = (calibration_error_interval(p, truth, bins=10, sampling=SAMPLING).value for p in (proud, modest))
    assert after < 0.3 * before
    assert (proud.argmax(axis=1) == modest.argmax(axis=1)).all()


def test_logits_without_an_error_keep_the_temperature_in_bounds():
    logits = np.eye(3)[np.arange(30) % 3] * 9
    assert 0.05 <= fit_temperature(logits, np.arange(30) % 3) <= 20


@pytest.mark.parametrize("logits", [np.zeros((0, 3)), np.full((2, 3), np.nan), np.zeros((3, 3))])
def test_logits_that_cannot_be_used_are_refused(logits: np.ndarray):
    with pytest.raises(HematoVisionError, match="cannot fit"):
        fit_temperature(logits, np.zeros(2, dtype=int))


@settings(deadline=None)
@given(shift=st.floats(-1e3, 1e3), temperature=st.floats(0.1, 10))
def test_softmax_ignores_a_common_shift_and_sums_to_one(shift: float, temperature: float):
    logits = np.array([[1.0, 2.0, -3.0], [700.0, -700.0, 0.0]])
    probabilities = softmax(logits + shift, temperature)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert probabilities == pytest.approx(softmax(logits, temperature), abs=1e-9)


@pytest.mark.parametrize("equal_mass", [False, True])
def test_every_cell_is_in_one_bin_and_inside_its_limits(equal_mass: bool):
    logits, truth = calibrated_logits(503, 2)
    probabilities = softmax(logits, 1.0)
    bins = reliability_bins(probabilities, truth, bins=10, confidence=0.95, equal_mass=equal_mass)
    assert sum(b.n for b in bins) == 503
    assert all(b.low <= b.confidence <= b.high for b in bins)
    if equal_mass:
        assert max(b.n for b in bins) - min(b.n for b in bins) <= 1


def test_a_confidence_on_an_edge_is_in_the_bin_below():
    only = reliability_bins(np.array([[0.5, 0.5]]), np.array([0]), bins=10, confidence=0.95)
    assert [(b.low, b.high) for b in only] == [(pytest.approx(0.4), 0.5)]


def test_the_bins_and_the_interval_agree_on_the_error():
    logits, truth = calibrated_logits(300, 3)
    probabilities = softmax(logits, 0.5)
    bins = reliability_bins(probabilities, truth, bins=10, confidence=0.95)
    interval = calibration_error_interval(probabilities, truth, bins=10, sampling=SAMPLING)
    assert interval.value == pytest.approx(expected_calibration_error(bins))


def test_a_calibrated_model_is_not_called_miscalibrated_and_a_proud_one_is():
    lows = {1.0: [], 4.0: []}
    for seed in range(20):
        logits, truth = calibrated_logits(200, seed)
        for pride, found in lows.items():
            interval = calibration_error_interval(softmax(logits * pride, 1.0), truth, bins=10, sampling=SAMPLING)
            found.append(interval.low)
            assert interval.low < interval.value < interval.high
    assert sum(low == 0 for low in lows[1.0]) >= 18
    assert all(low > 0 for low in lows[4.0])
