"""The queue puts first what needs a person most; numbers add up."""

import math
from collections.abc import Callable

import pytest

from hematovision.feedback.records import Correction, Prediction, Shadow
from hematovision.feedback.store import FeedbackStore
from hematovision.feedback.urgency import disagreement, uncertainty
from tests.feedback.cells import CLASSES, tiny

Predict = Callable[..., Prediction]


def test_uncertainty_and_disagreement_are_shares() -> None:
    assert uncertainty({"a": 1.0, "b": 0.0}) == 0
    assert uncertainty(dict.fromkeys("abcd", 0.25)) == pytest.approx(1)
    assert uncertainty({"a": 0.5, "b": 0.5, "c": 0.0, "d": 0.0}) == pytest.approx(math.log(2) / math.log(4))
    assert disagreement({"a": 0.7, "b": 0.3}, {"a": 0.7, "b": 0.3}) == pytest.approx(0)
    assert disagreement({"a": 1.0}, {"b": 1.0}) == pytest.approx(1)


def test_predictions_come_by_uncertainty_and_disagreement(store: FeedbackStore, predicted: Predict) -> None:
    shadow = Shadow(model="hematovision/2", label="neutrophil", probabilities={"neutrophil": 1.0})
    kept = {
        "sure": predicted(tiny(1), sure=0.99),
        "unsure": predicted(tiny(2), sure=0.4),
        "shadow disagrees": predicted(tiny(3), sure=0.9, shadow=shadow),
        "no picture": predicted(tiny(4), sure=0.3),
    }
    store.keep_predictions(
        [(one, None if name == "no picture" else tiny(n)) for n, (name, one) in enumerate(kept.items(), 1)]
    )
    names = {one.id: name for name, one in kept.items()}
    assert [names[one.id] for one in store.queue(limit=10)] == ["shadow disagrees", "unsure", "sure"]
    assert len(store.queue(limit=2)) == 2
    assert store.queue(limit=10, site="elsewhere") == []


def test_corrections_come_first_and_not_to_those_who_spoke(store: FeedbackStore, predicted: Predict) -> None:
    given = [predicted(tiny(n), sure=sure) for n, sure in enumerate((0.9, 0.5, 0.7))]
    store.keep_predictions([(one, tiny(n)) for n, one in enumerate(given)])
    items = [
        store.submit(
            Correction(
                prediction_id=one.id, label="lymphocyte", by="ann", role="predict", source="t", client_key=one.id
            )
        )
        for one in given[:2]
    ]
    assert [one.id for one in store.queue(limit=10)] == [items[1].id, items[0].id, given[2].id]
    assert [one.id for one in store.queue(limit=10, reviewer="ANN")] == [given[2].id]
    store.adjudicate(items[0].id, "accept", "bob", "review")
    assert [one.id for one in store.queue(limit=10, reviewer="bob")] == [items[1].id, given[2].id]
    store.adjudicate(items[0].id, "reject", "cat", "review")
    assert next(one.id for one in store.queue(limit=10)) == items[0].id
    store.adjudicate(items[0].id, "accept", "eve", "senior")
    assert [one.id for one in store.queue(limit=10)] == [items[1].id, given[2].id]


def test_numbers(store: FeedbackStore, predicted: Predict) -> None:
    assert store.stats()["items"] == dict.fromkeys(("pending", "accepted", "rejected", "disputed", "quarantined"), 0)
    given = predicted(tiny(1), site="north")
    store.keep_prediction(given, tiny(1))
    said = {"prediction_id": given.id, "label": CLASSES[1], "role": "predict", "source": "t"}
    first = store.submit(Correction(**said, by="ann", client_key="k"))
    store.submit(Correction(**said, by="bob", client_key="k"))
    store.adjudicate(first.id, "accept", "eve", "senior")
    stats = store.stats()
    assert (stats["predictions"], stats["people"], stats["model_right"]) == (1, 2, {"n": 1, "right": 0})
    assert stats["accepted_by_class"] == {CLASSES[1]: 1} and stats["accepted_by_site"] == {"north": 1}
