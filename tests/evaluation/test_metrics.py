from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from hematovision.errors import HematoVisionError, UsageError
from hematovision.evaluation.intervals import Interval
from hematovision.evaluation.metrics import Evaluation, evaluate

CLASSES = ["basophil", "eosinophil", "monocyte"]
NUMBERS: dict[str, Any] = {"confidence": 0.95, "resamples": 300, "seed": 0, "ece_bins": 10}


def score(truth: Any, probabilities: Any, classes: list[str] = CLASSES, **changes: Any) -> Evaluation:
    return evaluate(classes, np.asarray(truth), np.asarray(probabilities), **{"groups": None, **NUMBERS, **changes})


def random_cells(n: int, classes: int, seed: int, *, skill: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % classes
    raw = rng.normal(size=(n, classes))
    raw[np.arange(n), truth] += skill
    probabilities = np.exp(raw)
    return truth, probabilities / probabilities.sum(axis=1, keepdims=True)


def intervals(evaluation: Evaluation) -> list[Interval]:
    found = [evaluation.accuracy, evaluation.macro_precision, evaluation.macro_recall, evaluation.macro_f1]
    found += [evaluation.ece, evaluation.brier] + ([evaluation.auroc] if evaluation.auroc else [])
    for scores in evaluation.per_class.values():
        found += [s for s in (scores.precision, scores.recall, scores.f1, scores.specificity) if s]
    return found + [b.accuracy for b in evaluation.reliability]


def test_a_case_worked_out_by_hand():
    evaluation = score(
        [0, 0, 1, 1, 2],
        [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.9, 0.0], [0.3, 0.6, 0.1], [0.2, 0.2, 0.6]],
    )
    assert evaluation.confusion == [[1, 1, 0], [0, 2, 0], [0, 0, 1]]
    assert evaluation.accuracy.value == pytest.approx(4 / 5)
    assert evaluation.per_class["eosinophil"].precision.value == pytest.approx(2 / 3)
    assert evaluation.per_class["basophil"].recall.value == pytest.approx(1 / 2)
    assert evaluation.per_class["eosinophil"].f1.value == pytest.approx(4 / 5)
    assert evaluation.per_class["eosinophil"].specificity.value == pytest.approx(2 / 3)
    assert evaluation.macro_f1.value == pytest.approx((2 / 3 + 4 / 5 + 1) / 3)
    # bins of 0.6 and 0.7, 0.8, 0.9: |0.6 - 1| * 2/5 + |0.7 - 0| / 5 + |0.8 - 1| / 5 + |0.9 - 1| / 5
    assert evaluation.ece.value == pytest.approx(0.36)
    half_distances = [(0.04 + 0.01 + 0.01) / 2, (0.64 + 0.49 + 0.01) / 2, 0.01, (0.09 + 0.16 + 0.01) / 2, 0.12]
    assert evaluation.brier.value == pytest.approx(np.mean(half_distances))


@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_scikit_learn(seed: int):
    truth, probabilities = random_cells(157, 5, seed)
    evaluation = score(truth, probabilities, list("abcde"))
    predicted = probabilities.argmax(axis=1)
    assert evaluation.accuracy.value == pytest.approx(sk.accuracy_score(truth, predicted))
    assert evaluation.macro_precision.value == pytest.approx(sk.precision_score(truth, predicted, average="macro"))
    assert evaluation.macro_recall.value == pytest.approx(sk.recall_score(truth, predicted, average="macro"))
    assert evaluation.macro_f1.value == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
    assert evaluation.auroc.value == pytest.approx(sk.roc_auc_score(truth, probabilities, multi_class="ovr"))
    assert evaluation.brier.value == pytest.approx(sk.brier_score_loss(truth, probabilities, scale_by_half=True))
    assert evaluation.log_loss == pytest.approx(sk.log_loss(truth, probabilities))
    per_class = sk.f1_score(truth, predicted, average=None)
    assert [evaluation.per_class[c].f1.value for c in "abcde"] == pytest.approx(list(per_class))


def test_no_error_is_not_certainty():
    truth = np.arange(60) % 3
    evaluation = score(truth, np.eye(3)[truth])
    for interval in (evaluation.accuracy, evaluation.macro_f1, evaluation.macro_precision, evaluation.auroc):
        assert interval.value == 1
        assert 0.8 < interval.low < 0.99
    assert evaluation.ece.high > 0.01
    assert evaluation.brier.high > 0.01


def test_cells_of_few_slides_count_less_than_independent_ones():
    rng = np.random.default_rng(2)
    truth = np.arange(400) % 3
    wrong = np.repeat(rng.random(10) < 0.3, 40)
    probabilities = np.eye(3)[np.where(wrong, (truth + 1) % 3, truth)] * 0.97 + 0.01
    alone = score(truth, probabilities)
    grouped = score(truth, probabilities, groups=[str(i // 40) for i in range(400)])
    assert (grouped.groups, alone.groups) == (10, None)
    assert grouped.effective_n < 40
    assert grouped.accuracy.value == alone.accuracy.value
    for wide, narrow in zip(intervals(grouped)[:7], intervals(alone)[:7], strict=True):
        assert wide.high - wide.low > narrow.high - narrow.low


def test_a_class_without_cells_is_left_out_of_the_macro_scores_and_named():
    truth = [0, 0, 1, 1]
    evaluation = score(truth, [[0.9, 0.1, 0], [0.2, 0.1, 0.7], [0, 1, 0], [0, 1, 0]])
    assert evaluation.absent == ["monocyte"]
    assert evaluation.auroc is None
    assert evaluation.macro_recall.value == pytest.approx(0.75)
    absent = evaluation.per_class["monocyte"]
    assert (absent.n, absent.precision, absent.recall, absent.f1) == (0, None, None, None)
    assert absent.specificity.value == pytest.approx(0.75)


def test_one_class_only_still_gives_numbers():
    evaluation = score([1, 1], [[0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    assert evaluation.macro_recall.value == 0.5
    assert evaluation.per_class["eosinophil"].specificity is None


def test_a_present_class_that_is_never_predicted_has_precision_zero_and_no_certainty():
    evaluation = score([0, 2], [[1, 0, 0], [1, 0, 0]])
    assert evaluation.per_class["monocyte"].precision == Interval(value=0, low=0, high=1)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), n=st.integers(1, 40), classes=st.integers(2, 5))
def test_every_interval_contains_its_value_inside_zero_and_one(data: st.DataObject, n: int, classes: int):
    truth = data.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    weights = data.draw(
        st.lists(st.lists(st.floats(0.0, 1), min_size=classes, max_size=classes), min_size=n, max_size=n)
    )
    groups = data.draw(st.none() | st.lists(st.sampled_from("abc"), min_size=n, max_size=n))
    raw = np.array(weights) + 1e-3
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    evaluation = score(truth, probabilities, list("abcde")[:classes], groups=groups, resamples=100)
    for interval in intervals(evaluation):
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert 1 <= evaluation.effective_n <= n


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(30)))
def test_the_order_of_cells_does_not_matter(order: list[int]):
    truth, probabilities = random_cells(30, 3, 4)
    groups = np.array([str(i // 5) for i in range(30)])
    one = score(truth, probabilities, groups=list(groups))
    other = score(truth[order], probabilities[order], groups=list(groups[order]))
    assert other.confusion == one.confusion
    assert other.effective_n == pytest.approx(one.effective_n)
    for a, b in ((one.accuracy, other.accuracy), (one.macro_f1, other.macro_f1), (one.auroc, other.auroc)):
        assert b.model_dump() == pytest.approx(a.model_dump())
    assert other.ece.value == pytest.approx(one.ece.value)


def test_the_same_seed_gives_the_same_evaluation():
    truth, probabilities = random_cells(50, 3, 1)
    assert score(truth, probabilities) == score(truth, probabilities)
    assert score(truth, probabilities) != score(truth, probabilities, seed=1)


@pytest.mark.parametrize(
    ("truth", "probabilities", "error", "reason"),
    [
        ([], np.zeros((0, 3)), UsageError, "no cell"),
        ([0], [[0.5, 0.5]], HematoVisionError, "do not fit"),
        ([3], [[1, 0, 0]], HematoVisionError, "outside 0..2"),
        ([0], [[0.5, 0.1, 0.1]], HematoVisionError, "not probabilities"),
        ([0], [[np.nan, 0.5, 0.5]], HematoVisionError, "not probabilities"),
        ([0], [[1.5, -0.5, 0]], HematoVisionError, "not probabilities"),
    ],
)
def test_what_cannot_be_scored_is_refused(truth: Any, probabilities: Any, error: type[Exception], reason: str):
    with pytest.raises(error, match=reason):
        score(np.array(truth, dtype=int), probabilities)


def test_an_evaluation_survives_json():
    evaluation = score(*random_cells(20, 3, 0))
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation
