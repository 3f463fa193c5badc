"""Suspicion: what a confident model, an outlier or a flood says, and where it keeps silent."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from hematovision.errors import UsageError
from hematovision.feedback.records import Correction, Item, Prediction
from hematovision.feedback.store import FeedbackStore
from hematovision.feedback.suspicion import confident_learning, contradicted, flooded, outlying, self_confidence
from tests.feedback.cells import tiny

Predict = Callable[..., Prediction]


def test_the_worked_example_of_the_confident_joint() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.65, 0.35]])
    assert self_confidence(labels, probabilities) == pytest.approx([0.6, 1.85 / 3])
    found = confident_learning(labels, probabilities)
    assert found.joint.tolist() == [[2, 1], [1, 2]]
    assert found.suspect.tolist() == [False, False, True, False, False, True]
    assert found.likely.tolist() == [0, 0, 1, 1, 1, 0]
    assert found.margin == pytest.approx([0.8, 0.6, -0.8, 0.6, 0.4, -0.3])


def test_a_class_nobody_was_labelled_as_contradicts_nothing() -> None:
    found = confident_learning(np.array([0, 0]), np.array([[0.2, 0.8], [0.9, 0.1]]))
    assert not found.suspect.any()
    with pytest.raises(UsageError, match="do not fit"):
        confident_learning(np.array([0]), np.zeros((2, 2)))


def flipped(rate: float, one_class: bool, seed: int = 5) -> tuple[float, float]:
    """(share of flipped labels found, share of right ones wrongly suspected) among 600 cells in 4 overlapping classes.

    Probabilities are out of fold, of a model that learnt the flipped labels themselves.
    """
    rng = np.random.default_rng(seed)
    truth = np.arange(600) % 4
    features = rng.normal(0, 1, (600, 8)) + np.eye(4, 8)[truth] * 4.5
    wrong = truth == 2 if one_class else rng.permutation(600) < rate * 600
    given = np.where(wrong, (truth + (1 if one_class else rng.integers(1, 4, 600))) % 4, truth)
    if one_class:
        wrong &= rng.random(600) < 0.5
        given = np.where(wrong, given, truth)
    answers = cross_val_predict(LogisticRegression(C=0.1), features, given, cv=5, method="predict_proba")
    suspect = confident_learning(given, answers).suspect
    return float(suspect[wrong].mean()), float(suspect[~wrong].mean())


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2, 0.4])
def test_flipped_labels_are_found_by_a_model_that_learnt_them(rate: float) -> None:
    found, mistaken = flipped(rate, one_class=False)
    assert found > 0.8 and mistaken < 0.06  # the classes overlap: some flips are no more wrong than the truth


def test_half_of_one_class_called_another() -> None:
    found, mistaken = flipped(0, one_class=True)
    assert found > 0.2 and mistaken < 0.15  # the hard case: half of a class is a coin toss for the model too


def test_one_cell_against_thresholds() -> None:
    limits = {"a": 0.9, "b": 0.7}
    assert contradicted("a", {"a": 0.25, "b": 0.75}, limits) == "b"
    assert contradicted("b", {"a": 0.25, "b": 0.75}, limits) is None
    assert contradicted("a", {"a": 0.35, "b": 0.65}, limits) is None
    assert contradicted("a", {"a": 0.0, "c": 1.0}, limits) is None


def test_outliers_are_strange_for_their_own_site() -> None:
    usual = np.random.default_rng(1).lognormal(0.5, 0.1, 100).tolist()
    assert not outlying(2.0, usual, 6)
    assert outlying(8.0, usual, 6)
    assert not outlying(1.001, [1.0] * 50, 6)


def test_a_flood_takes_number_and_share() -> None:
    assert flooded(["a"] * 30, minimum=30, share=0.8) == "a"
    assert flooded(["a"] * 29 + [None], minimum=30, share=0.8) is None
    assert flooded(["a"] * 30 + ["b"] * 10, minimum=30, share=0.8) is None
    assert flooded([None] * 60, minimum=30, share=0.8) is None


def history(store: FeedbackStore, predicted: Predict, *, strange: float = 0.5, site: str = "north") -> None:
    """Fifty answers a class that nobody corrected, 95 % sure."""
    given = [
        predicted(tiny(9), label, 0.95, site=site, strangeness=strange + 0.001 * n, unlike_training=strange > 1)
        for label in ("monocyte", "lymphocyte")
        for n in range(50)
    ]
    store.keep_predictions([(one, None) for one in given])


def correct(store: FeedbackStore, prediction: Prediction, number: int, label: str = "lymphocyte") -> Item:
    store.keep_prediction(prediction, tiny(number))
    return store.submit(
        Correction(
            prediction_id=prediction.id, label=label, by="ann", role="predict", source="page", client_key=f"k{number}"
        )
    )


def test_a_confident_model_is_not_contradicted_in_passing(store: FeedbackStore, predicted: Predict) -> None:
    history(store, predicted)
    sure, unsure = predicted(tiny(1), sure=0.97, site="north"), predicted(tiny(2), sure=0.6, site="north")
    item = correct(store, sure, 1)
    assert (item.state, item.reason) == (
        "quarantined",
        "the model is as sure of monocyte (97%) as of cells called so rightly",
    )
    assert correct(store, unsure, 2).state == "pending"
    assert correct(store, predicted(tiny(3), sure=0.97, site="north"), 3, label="monocyte").state == "pending"


def test_the_model_is_no_judge_of_a_site_that_is_strange_to_it(store: FeedbackStore, predicted: Predict) -> None:
    history(store, predicted)
    history(store, predicted, strange=1.5, site="south")
    new = predicted(tiny(1), sure=0.97, site="south", strangeness=1.5, unlike_training=True)
    assert correct(store, new, 1).state == "pending"
    odd = predicted(tiny(2), sure=0.97, site="south", strangeness=9.0, unlike_training=True)
    assert "far stranger (9.00)" in correct(store, odd, 2).reason


def test_a_new_site_that_corrects_all_it_sends_is_known_by_its_pictures(
    store: FeedbackStore, predicted: Predict
) -> None:
    """Else a laboratory with a new scanner would wait for a senior with every single cell."""
    strange = [
        predicted(tiny(n), sure=0.6, site="south", strangeness=1.5 + 0.001 * n, unlike_training=True) for n in range(40)
    ]
    states = [correct(store, one, n, label="monocyte").state for n, one in enumerate(strange)]
    assert states == ["quarantined"] * 29 + ["pending"] * 11
    odd = predicted(tiny(41), sure=0.6, site="south", strangeness=9.0, unlike_training=True)
    assert "far stranger (9.00)" in correct(store, odd, 41).reason


def test_a_class_the_model_does_not_know_is_set_aside(store: FeedbackStore, predicted: Predict) -> None:
    item = correct(store, predicted(tiny(1)), 1, label="blast")
    assert (item.state, item.reason) == ("quarantined", "blast is no class of hematovision/1")


def test_a_flood_is_set_aside_with_what_came_before_it(store: FeedbackStore, predicted: Predict) -> None:
    for number in range(14):
        assert correct(store, predicted(tiny(number), sure=0.6), number).state == "pending"
    assert correct(store, predicted(tiny(14), sure=0.6), 14).state == "quarantined"
    assert {item.state for item in store.items()} == {"quarantined"}
    assert correct(store, predicted(tiny(15), sure=0.6), 15, label="eosinophil").state == "pending"


def test_what_is_quarantined_takes_a_senior_to_accept(store: FeedbackStore, predicted: Predict) -> None:
    item = correct(store, predicted(tiny(1)), 1, label="blast")
    for reviewer in ("bob", "cat", "dan"):
        assert store.adjudicate(item.id, "accept", reviewer, "review").state == "quarantined"
    assert store.adjudicate(item.id, "accept", "eve", "senior").state == "accepted"
