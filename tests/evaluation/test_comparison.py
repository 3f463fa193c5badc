"""Two models on the same cells: differences that cancel, intervals that hold the truth, McNemar's test."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from hematovision.errors import HematoVisionError
from hematovision.evaluation.comparison import Answered, Comparison, Difference, compare, compare_latency, mcnemar
from hematovision.evaluation.metrics import evaluate

CLASSES = ["basophil", "eosinophil", "monocyte"]


def answers(predicted: np.ndarray, sureness: np.ndarray, classes: int = 3) -> Answered:
    """Answers with these predicted classes and highest probabilities; a set holds what is above 0.15."""
    chances = np.repeat(((1 - sureness) / (classes - 1))[:, None], classes, axis=1)
    chances[np.arange(len(predicted)), predicted] = sureness
    return Answered(chances, chances > 0.15)


def drawn(n: int, seed: int, *, error: float) -> tuple[np.ndarray, Answered]:
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    wrong = rng.random(n) < error
    return truth, answers(np.where(wrong, (truth + 1) % 3, truth), rng.uniform(0.6, 0.99, n))


def compared(truth: np.ndarray, first: Answered, second: Answered, **changes: Any) -> Comparison:
    asked = {"groups": None, "confidence": 0.95, "resamples": 400, "seed": 3, "ece_bins": 10} | changes
    return compare(CLASSES, truth, first, second, **asked)


def differences(found: Comparison) -> dict[str, Difference]:
    named = {name: getattr(found, name) for name in ("accuracy", "macro_f1", "ece", "set_coverage", "set_size")}
    return named | {f"recall {label}": one for label, one in found.recalls.items()}


def test_each_side_has_the_figures_of_its_own_evaluation() -> None:
    truth, first = drawn(90, 1, error=0.2)
    _, second = drawn(90, 2, error=0.1)
    found = compared(truth, first, second)
    for side, given_ in (("challenger", first), ("champion", second)):
        alone = evaluate(
            CLASSES, truth, given_.probabilities, groups=None, confidence=0.95, resamples=100, seed=1, ece_bins=10
        )
        assert getattr(found.accuracy, side) == pytest.approx(alone.accuracy.value)
        assert getattr(found.macro_f1, side) == pytest.approx(alone.macro_f1.value)
        assert getattr(found.ece, side) == pytest.approx(alone.ece.value)
        for label, scores in alone.per_class.items():
            assert scores.recall and getattr(found.recalls[label], side) == pytest.approx(scores.recall.value)
        assert getattr(found.set_size, side) == pytest.approx(given_.sets.sum(axis=1).mean())
        assert getattr(found.set_coverage, side) == pytest.approx(given_.sets[np.arange(90), truth].mean())
    assert found.cells == dict.fromkeys(CLASSES, 30)


cells = st.integers(6, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 2), min_size=n, max_size=n),
        st.lists(st.integers(0, 2), min_size=n, max_size=n),
        st.lists(st.integers(0, 2), min_size=n, max_size=n),
        st.lists(st.floats(0.4, 1), min_size=n, max_size=n),
    )
)


@settings(max_examples=30, deadline=None)
@given(cells)
def test_swapping_the_models_turns_every_difference_around(given_: tuple[list[Any], ...]) -> None:
    truth, one, other, sureness = (np.array(part) for part in given_)
    first, second = answers(one, sureness), answers(other, sureness[::-1])
    there = differences(compared(truth, first, second, resamples=100))
    back = differences(compared(truth, second, first, resamples=100))
    for name, found in there.items():
        mirrored = back[name].difference
        assert found.difference.value == pytest.approx(-mirrored.value, abs=1e-9), name
        assert found.difference.low == pytest.approx(-mirrored.high, abs=1e-9), name
        assert found.difference.high == pytest.approx(-mirrored.low, abs=1e-9), name
        assert found.challenger - found.champion == pytest.approx(found.difference.value)


@settings(max_examples=30, deadline=None)
@given(cells)
def test_a_model_differs_from_itself_by_nothing_and_its_interval_is_still_honest(given_: tuple[list[Any], ...]) -> None:
    truth, one, _, sureness = (np.array(part) for part in given_)
    found = compared(truth, answers(one, sureness), answers(one, sureness), resamples=100)
    for name, difference in differences(found).items():
        interval = difference.difference
        assert interval.value == 0, name
        assert interval.low < 0 < interval.high, f"{name}: agreement on few cells is no proof of equality"
    assert (found.mcnemar.only_champion, found.mcnemar.only_challenger, found.mcnemar.p_value) == (0, 0, 1.0)


@pytest.mark.parametrize("n", [12, 60, 300])
def test_two_models_that_never_differ_have_the_limits_of_clopper_and_pearson(n: int) -> None:
    truth, first = drawn(n, 5, error=0.0)
    low = compared(truth, first, first, resamples=20_000).accuracy.difference.low
    assert low == pytest.approx(-(1 - 0.025 ** (1 / n)), rel=0.05)


def test_what_the_models_have_in_common_cancels() -> None:
    """Both fail on the same third of the cells: paired, the difference is sure; unpaired it would be lost in noise."""
    truth = np.arange(300) % 3
    hard = np.random.default_rng(1).random(300) < 0.35
    predicted = np.where(hard, (truth + 1) % 3, truth)
    better = predicted.copy()
    better[np.flatnonzero(hard)[:12]] = truth[np.flatnonzero(hard)[:12]]
    sure = np.full(300, 0.9)
    found = compared(truth, answers(better, sure), answers(predicted, sure))
    assert found.accuracy.difference.value == pytest.approx(0.04)
    assert found.accuracy.difference.low > 0
    spread = 1.96 * np.sqrt(2 * 0.3 * 0.7 / 300)
    assert found.accuracy.difference.high - found.accuracy.difference.low < spread


def test_cells_of_a_slide_count_for_less() -> None:
    truth = np.arange(120) % 3
    slides = [f"slide-{number // 12}" for number in range(120)]
    wrong = np.arange(120) // 12 < 2  # two whole slides, which only the challenger gets wrong
    challenger = answers(np.where(wrong, (truth + 1) % 3, truth), np.full(120, 0.9))
    champion = answers(truth, np.full(120, 0.9))
    alone = compared(truth, challenger, champion)
    grouped = compared(truth, challenger, champion, groups=slides)
    assert (alone.groups, grouped.groups) == (None, 10)
    assert grouped.effective_n < 20 < alone.effective_n == 120
    assert grouped.accuracy.difference.low < alone.accuracy.difference.low - 0.05
    assert grouped.accuracy.difference.value == alone.accuracy.difference.value


def test_intervals_hold_the_true_difference_as_often_as_they_say() -> None:
    """200 data sets of two correlated models with known error rates .04 and .10; binomial limits around .95."""
    held = {"accuracy": 0, "macro_f1": 0, "recall": 0, "set_coverage": 0}
    for number in range(200):
        rng = np.random.default_rng([7, number])
        truth, luck, own = rng.integers(0, 3, 150), rng.random(150), rng.random((2, 150))
        shared = rng.random(150) < 0.6
        sides = []
        for place, error in enumerate((0.04, 0.10)):
            wrong = np.where(shared, luck, own[place]) < error
            predicted = np.where(wrong, (truth + rng.integers(1, 3, 150)) % 3, truth)
            sides.append(answers(predicted, np.full(150, 0.9)))
        found = compared(truth, *sides, resamples=300, seed=number)
        for name, one in (
            ("accuracy", found.accuracy),
            ("macro_f1", found.macro_f1),
            ("recall", found.recalls["monocyte"]),
            ("set_coverage", found.set_coverage),
        ):
            held[name] += one.difference.low <= 0.06 <= one.difference.high
    assert all(held[name] >= 184 for name in held), held  # 0.95 less two standard errors
    assert held["accuracy"] < 200 or held["set_coverage"] < 200, "an interval that always holds says nothing"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5))
def test_mcnemar_is_the_binomial_test_of_the_cells_that_differ(lost: int, won: int, both: int) -> None:
    challenger = np.array([True] * won + [False] * lost + [True] * both, dtype=bool)
    champion = np.array([False] * won + [True] * lost + [True] * both, dtype=bool)
    found = mcnemar(challenger, champion)
    assert (found.only_challenger, found.only_champion) == (won, lost)
    expected = binomtest(won, won + lost, 0.5).pvalue if won + lost else 1.0
    assert found.p_value == pytest.approx(expected)


def test_mcnemar_on_a_published_table() -> None:
    """Agresti 2002 (Categorical Data Analysis, table 10.1): 86 and 150 of 1,600 changed their mind."""
    challenger = np.array([True] * 86 + [False] * 150)
    assert mcnemar(challenger, ~challenger).p_value == pytest.approx(3.7e-5, rel=0.05)


def test_latency_is_a_ratio_of_medians_that_one_slow_round_does_not_move() -> None:
    champion = np.full(15, 0.010)
    challenger = np.full(15, 0.013)
    challenger[4] = 5.0
    found = compare_latency(challenger, champion, confidence=0.95, resamples=500, seed=1)
    assert found.challenger_ms == pytest.approx(13) and found.champion_ms == pytest.approx(10)
    assert found.ratio.value == pytest.approx(1.3) and found.ratio.high < 2
    with pytest.raises(HematoVisionError, match="same rounds"):
        compare_latency(challenger, champion[:3], confidence=0.95, resamples=500, seed=1)


def test_answers_that_do_not_fit_are_refused() -> None:
    truth, first = drawn(30, 1, error=0.1)
    _, shorter = drawn(27, 1, error=0.1)
    with pytest.raises(HematoVisionError, match="cannot compare"):
        compared(truth, first, shorter)
    with pytest.raises(HematoVisionError, match="cannot compare"):
        compared(truth[:0], Answered(np.empty((0, 3)), np.empty((0, 3), bool)), first)
    with pytest.raises(HematoVisionError, match="groups"):
        compared(truth, first, first, groups=["one"])
