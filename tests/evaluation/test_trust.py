"""Coverage, set size and the risk-coverage curve against hand-made cells and the definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hematovision.errors import HematoVisionError
from hematovision.evaluation.coverage import score_sets
from hematovision.evaluation.selection import risk_coverage
from hematovision.evaluation.trust import Trusted, assess_trust

DRAWN = {"confidence": 0.95, "resamples": 200, "seed": 0}


def test_coverage_and_size_by_hand() -> None:
    sets = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=bool)
    empty_first = sets & np.array([[0], [1], [1], [1]], dtype=bool)
    scored = score_sets(
        ["a", "b", "c"], np.array([0, 0, 1, 1]), sets, empty_first, asked=0.9, always=[2], groups=None, **DRAWN
    )
    assert scored.coverage.value == 0.75
    assert scored.coverage_uncompleted == 0.5
    assert scored.mean_size.value == 1.5
    assert scored.sizes == [2, 2, 0] and scored.single == 2
    assert scored.per_class["a"].coverage is not None and scored.per_class["a"].coverage.value == 1
    assert scored.per_class["b"].mean_size is not None and scored.per_class["b"].mean_size.value == 1.5
    assert scored.per_class["c"].coverage is None
    assert scored.always == ["c"]


def test_cells_of_one_slide_widen_the_interval_of_coverage() -> None:
    truth = np.zeros(200, dtype=int)
    sets = np.ones((200, 2), dtype=bool)
    sets[:40, 0] = False  # two whole slides are not covered
    slides = [str(index // 20) for index in range(200)]
    alone, grouped = (
        score_sets(["a", "b"], truth, sets, sets, asked=0.9, always=[], groups=groups, **DRAWN).coverage
        for groups in (None, slides)
    )
    assert grouped.value == alone.value
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_an_empty_set_is_a_mistake_of_ours() -> None:
    sets = np.array([[True, False], [False, False]])
    with pytest.raises(HematoVisionError, match="do not fit"):
        score_sets(["a", "b"], np.array([0, 1]), sets, sets, asked=0.9, always=[], groups=None, **DRAWN)


def test_the_risk_falls_when_doubtful_errors_are_left_out() -> None:
    sure = np.linspace(0.99, 0.6, 10)
    probabilities = np.stack([sure, 1 - sure], axis=1)
    truth = np.array([0] * 8 + [1, 1])  # the two least sure answers are wrong
    found = risk_coverage(probabilities, truth, shares=[0.9, 0.8], groups=None, confidence=0.95)
    assert [(a.share, a.n, round(a.error.value, 3)) for a in found.answered] == [
        (1, 10, 0.2),
        (0.9, 9, 0.111),
        (0.8, 8, 0),
    ]
    assert found.aurc == pytest.approx((1 / 9 + 2 / 10) / 10)
    assert found.aurc == pytest.approx(found.aurc_best)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 60))
def test_the_area_is_between_best_and_worst_and_ties_have_no_order(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    sure = rng.choice([0.6, 0.7, 0.8, 0.9], n)
    probabilities, truth = np.stack([sure, 1 - sure], axis=1), rng.integers(0, 2, n)
    found = risk_coverage(probabilities, truth, shares=[0.5], groups=None, confidence=0.95)
    assert found.aurc_best - 1e-12 <= found.aurc <= 1
    assert found.curve[-1] == (1.0, pytest.approx(np.mean(truth == 1)))
    order = rng.permutation(n)
    again = risk_coverage(probabilities[order], truth[order], shares=[0.5], groups=None, confidence=0.95)
    assert again.aurc == pytest.approx(found.aurc)
    assert again.answered[1].error.value == pytest.approx(found.answered[1].error.value)


def test_flags_above_one_are_counted() -> None:
    probabilities = np.array([[0.9, 0.1]] * 4)
    sets = probabilities > 0.5
    trust = assess_trust(
        ["a", "b"],
        np.zeros(4, dtype=int),
        Trusted(
            probabilities=probabilities, sets=sets, uncompleted=sets, always=[], asked=0.9,
            scores=np.array([0.2, 3.0, 1.0, 0.5]), promised=0.01,
        ),
        groups=None, shares=[0.9], ece_bins=10, **DRAWN,
    )  # fmt: skip
    assert trust.strangeness is not None
    assert trust.strangeness.flagged.value == 0.25  # 1.0 itself is not above
    assert trust.strangeness.scores == [0.2, 0.5, 1.0, 3.0]
