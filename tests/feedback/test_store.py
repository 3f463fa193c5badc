"""Predictions and corrections: kept once, found again, refused with a reason."""

from collections.abc import Callable

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from hematovision.database import writing
from hematovision.errors import GateRefused, HematoVisionError, UnreadableImage, UsageError
from hematovision.feedback import tables
from hematovision.feedback.records import Correction, Prediction, Shadow
from hematovision.feedback.store import FeedbackStore
from hematovision.home import Home
from tests.feedback.cells import store_at, tiny

Predict = Callable[..., Prediction]


def correction(**fields: object) -> Correction:
    said = {"label": "lymphocyte", "by": "ann", "role": "predict", "source": "page", "client_key": "k1"}
    return Correction.model_validate(said | fields)


def test_a_prediction_is_found_as_it_was_given(store: FeedbackStore, predicted: Predict) -> None:
    shadow = Shadow(model="hematovision/2", label="lymphocyte", probabilities={"lymphocyte": 1.0})
    given = predicted(tiny(1), site="north", client="analyser 3", slide="S7", shadow=shadow)
    store.keep_prediction(given, tiny(1))
    assert store.prediction(given.id) == given
    assert store.picture(given.image) == tiny(1)
    assert store.prediction("nosuch") is None


def test_predictions_come_as_a_table(store: FeedbackStore, predicted: Predict) -> None:
    given = [
        predicted(tiny(n), time=f"2026-01-0{n + 1}T00:00:00", site="north" if n % 2 else "south") for n in range(5)
    ]
    assert store.keep_predictions([(one, None) for one in given]) == 5
    assert store.keep_predictions([(one, None) for one in given]) == 0
    assert list(store.predictions()["id"]) == [one.id for one in given]
    assert list(store.predictions(since="2026-01-03", site="south")["id"]) == [given[2].id, given[4].id]
    assert list(store.predictions(limit=2)["id"]) == [given[3].id, given[4].id]
    assert store.predictions(model="other/1").empty


def test_a_correction_is_kept_once_for_a_key(store: FeedbackStore, predicted: Predict) -> None:
    given = predicted(tiny(1), site="north")
    store.keep_prediction(given, tiny(1))
    first = store.submit(correction(prediction_id=given.id))
    assert store.submit(correction(prediction_id=given.id)) == first
    assert store.submit(correction(prediction_id=given.id, by="Ann ", role="review")).id == first.id
    assert store.items() == [first]
    assert (first.state, first.predicted, first.site, first.model) == ("pending", "monocyte", "north", given.model)
    assert store.submit(correction(prediction_id=given.id, by="bob")).id != first.id


def test_a_key_used_for_something_else_is_refused(store: FeedbackStore) -> None:
    store.submit(correction(image=tiny(1)))
    with pytest.raises(UsageError, match="take a new one"):
        store.submit(correction(image=tiny(1), label="monocyte"))
    with pytest.raises(UsageError, match="take a new one"):
        store.submit(correction(image=tiny(2)))


def test_what_a_correction_is_about_has_to_be_known(store: FeedbackStore, predicted: Predict) -> None:
    given = predicted(tiny(1))
    store.keep_prediction(given, None)
    for wrong, reason in (
        ({}, "does neither"),
        ({"prediction_id": "nosuch"}, "no prediction nosuch"),
        ({"prediction_id": given.id}, "send it along"),
        ({"prediction_id": given.id, "image": tiny(2)}, "not the one"),
    ):
        with pytest.raises(UsageError, match=reason):
            store.submit(correction(**wrong))
    with pytest.raises(UnreadableImage):
        store.submit(correction(image=b"no picture"))
    assert store.submit(correction(prediction_id=given.id, image=tiny(1))).image == given.image
    assert len(store.items()) == 1


def test_a_prediction_with_another_picture_is_refused(store: FeedbackStore, predicted: Predict) -> None:
    with pytest.raises(UsageError, match="another picture"):
        store.keep_prediction(predicted(tiny(1)), tiny(2))


def test_a_withdrawn_picture_is_not_kept_again(store: FeedbackStore, predicted: Predict) -> None:
    store.pictures.withdraw(predicted(tiny(1)).image)
    given = [predicted(tiny(1)), predicted(tiny(2))]
    assert store.keep_predictions([(given[0], tiny(1)), (given[1], tiny(2))]) == 2
    with pytest.raises(UsageError, match="was not kept"):
        store.submit(correction(prediction_id=given[0].id))
    with pytest.raises(UnreadableImage, match="withdrawn"):
        store.submit(correction(prediction_id=given[0].id, image=tiny(1)))
    assert store.submit(correction(prediction_id=given[1].id)).image == given[1].image


def test_items_by_state_and_time(store: FeedbackStore) -> None:
    made = [store.submit(correction(image=tiny(n), client_key=f"k{n}")) for n in range(3)]
    store.adjudicate(made[1].id, "accept", "eve", "senior")
    accepted = store.items(state="accepted")
    assert [item.id for item in accepted] == [made[1].id]
    assert [item.id for item in store.items(since=accepted[0].changed)] == [made[1].id]
    assert [item.id for item in store.items(state="pending")] == [made[0].id, made[2].id]


def test_history_is_only_added_to(store: FeedbackStore) -> None:
    item = store.submit(correction(image=tiny(1)))
    store.adjudicate(item.id, "reject", "eve", "senior")
    assert [(event.action, event.by, event.state) for event in store.history(item.id)] == [
        ("submitted", "ann", "pending"),
        ("voted", "eve", "rejected"),
    ]
    for change in (update(tables.events).values(by="mallory"), delete(tables.events)):
        with pytest.raises(DBAPIError, match="only ever added to"), writing(store.engine) as connection:
            connection.execute(change)


def test_nobody_decides_about_their_own(store: FeedbackStore) -> None:
    item = store.submit(correction(image=tiny(1), role="senior"))
    with pytest.raises(GateRefused, match="somebody else"):
        store.adjudicate(item.id, "accept", "ANN", "senior")
    with pytest.raises(GateRefused, match="may not adjudicate"):
        store.adjudicate(item.id, "accept", "bob", "predict")
    with pytest.raises(UsageError, match="no feedback item"):
        store.adjudicate("nosuch", "accept", "bob", "senior")
    assert store.item(item.id) == item


def test_two_stores_on_one_home_see_the_same(store: FeedbackStore, home: Home) -> None:
    item = store.submit(correction(image=tiny(1)))
    assert store_at(home.root).items() == [item]


def test_an_altered_picture_is_noticed(store: FeedbackStore, home: Home) -> None:
    item = store.submit(correction(image=tiny(1)))
    path = home.pictures / item.image[:2] / item.image
    path.chmod(0o644)
    path.write_bytes(b"other")
    with pytest.raises(HematoVisionError, match="altered"):
        store.picture(item.image)
