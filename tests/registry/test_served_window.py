"""Windows over kept predictions: which are looked at, in which order, and what people said of them."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hematovision.errors import GateRefused, HematoVisionError, UnreadableImage, UsageError
from hematovision.feedback.records import Item, Prediction
from hematovision.feedback.store import FeedbackStore
from hematovision.registry.served_window import ServedWindow, reviewed_accuracy, served_window, time_of
from tests.feedback.cells import CLASSES, store_at, tiny

MODEL = "hematovision/1"
Predict = Callable[..., Prediction]


def answer(number: int, picture: bytes, **fields: object) -> Prediction:
    said = {
        "id": f"p{number:03}",
        "time": f"2026-11-20T10:{number:02}:00",
        "model": MODEL,
        "model_digest": "d" * 64,
        "data_version": "v1",
        "image": hashlib.sha256(picture).hexdigest(),
        "label": "monocyte",
        "probabilities": {name: 0.7 if name == "monocyte" else 0.1 for name in CLASSES},
        "set": ["monocyte"],
        "strangeness": number / 10,
        "unlike_training": False,
        "refer": False,
    }
    return Prediction.model_validate(said | fields)


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    return store_at(tmp_path / "home")


def look(store: FeedbackStore, **asked: object) -> ServedWindow:
    given = {"site": None, "since": None, "last": 100, "most": 100, "seed": 0} | asked
    return served_window(store, MODEL, **given)  # type: ignore[arg-type]


def ids(window: ServedWindow) -> list[str]:
    return [picture.path for picture in window.pictures]


def test_a_window_holds_the_predictions_asked_for_in_order(store: FeedbackStore) -> None:
    kept = [(answer(n, tiny(n), site="north" if n % 2 else "south"), tiny(n)) for n in range(8)]
    kept.append((answer(8, tiny(8), model="hematovision/2"), tiny(8)))
    store.keep_predictions(kept)  # type: ignore[arg-type]
    assert ids(look(store)) == [f"p00{n}" for n in range(8)]
    assert ids(look(store, site="north")) == ["p001", "p003", "p005", "p007"]
    assert ids(look(store, last=3)) == ["p005", "p006", "p007"]
    assert ids(look(store, since=time_of("2026-11-20T10:06"))) == ["p006", "p007"]
    assert ids(look(store, after=time_of("2026-11-20T10:06"))) == ["p007"]
    assert look(store).pictures[2].load() == tiny(2)
    facts = look(store, site="south").facts
    assert (facts.kind, facts.found, facts.first, facts.last) == (
        "predictions", 4, "2026-11-20T10:00:00.000000+00:00", "2026-11-20T10:06:00.000000+00:00",
    )  # fmt: skip


def test_an_image_counts_once_and_one_without_a_picture_not_at_all(store: FeedbackStore) -> None:
    same = [(answer(n, tiny(1)), tiny(1)) for n in range(3)]
    store.keep_predictions([*same, (answer(3, tiny(3)), None), (answer(4, tiny(4)), tiny(4))])
    window = look(store)
    assert ids(window) == ["p002", "p004"]
    assert (window.facts.found, window.facts.repeated, window.facts.without_picture) == (5, 2, 1)


def test_of_many_some_are_looked_at_and_the_others_counted(store: FeedbackStore) -> None:
    store.keep_predictions([(answer(n, tiny(n)), tiny(n)) for n in range(20)])
    window = look(store, most=6)
    assert len(window.pictures) == 6 and window.facts.not_looked_at == 14
    assert ids(window) == sorted(ids(window)) == ids(look(store, most=6)), "the same seed, the same choice, in order"
    assert ids(window) != ids(look(store, most=6, seed=1))


def test_answers_come_as_they_were_given(store: FeedbackStore) -> None:
    sets = [["monocyte"], ["monocyte", "neutrophil"]]
    store.keep_predictions([(answer(n, tiny(n), set=sets[n], slide=f"s{n}"), tiny(n)) for n in range(2)])
    window = look(store)
    order = ["monocyte", *(name for name in CLASSES if name != "monocyte")]
    assert window.probabilities(order) == pytest.approx(np.array([[0.7, 0.1, 0.1, 0.1]] * 2))
    assert window.doubts["set_size"].tolist() == [1, 2] and window.doubts["strangeness"].tolist() == [0, 0.1]
    assert window.slides == ["s0", "s1"]
    with pytest.raises(HematoVisionError, match="other classes"):
        window.probabilities(["monocyte", "blast"])


def test_slides_count_only_where_all_are_known(store: FeedbackStore) -> None:
    store.keep_predictions([(answer(0, tiny(0), slide="a"), tiny(0)), (answer(1, tiny(1)), tiny(1))])
    assert look(store).slides is None


def test_nothing_to_look_at_is_refused_with_the_reason(store: FeedbackStore) -> None:
    with pytest.raises(GateRefused, match="hematovision/1 at north to look at: there is none"):
        look(store, site="north")
    store.keep_prediction(answer(0, tiny(0)), None)
    with pytest.raises(GateRefused, match="keep_pictures"):
        look(store)


def test_a_picture_that_went_missing_is_one_unreadable_picture(store: FeedbackStore) -> None:
    store.keep_predictions([(answer(n, tiny(n)), tiny(n)) for n in range(2)])
    assert store.pictures.withdraw(hashlib.sha256(tiny(0)).hexdigest())
    window = look(store)
    with pytest.raises(UnreadableImage):
        window.pictures[0].load()
    assert window.pictures[1].load() == tiny(1)


def test_times_are_read_as_people_write_them() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert time_of("24h", now) == "2026-11-21T12:00:00.000000+00:00"
    assert time_of("1.5d", now) == "2026-11-21T00:00:00.000000+00:00"
    assert time_of("2026-11-20T14:00+02:00") == "2026-11-20T12:00:00.000000+00:00"
    for wrong in ("yesterday", "24", "-3h", "3y"):
        with pytest.raises(UsageError, match="is no time"):
            time_of(wrong)


def item(prediction: str | None, label: str) -> Item:
    names = ("id", "reason", "image", "pixels", "by", "role", "source", "client_key", "submitted", "changed")
    rest = dict.fromkeys(("predicted", "model", "site", "client", "slide"))
    return Item(state="accepted", label=label, prediction_id=prediction, **dict.fromkeys(names, "x"), **rest)  # type: ignore[arg-type]


def test_accuracy_is_of_what_people_decided_about_in_the_window() -> None:
    predictions = pd.DataFrame({"id": ["a", "b", "c", "d"], "label": ["monocyte"] * 4})
    accepted = [
        item("a", "monocyte"),
        item("b", "neutrophil"),
        item("c", "monocyte"),
        item("z", "blast"),
        item(None, "x"),
    ]
    found = reviewed_accuracy(predictions, accepted, confidence=0.95)
    assert found is not None
    assert (found.n, found.right, found.value) == (3, 2, pytest.approx(2 / 3))
    assert (found.low, found.high) == (pytest.approx(0.0943, abs=1e-3), pytest.approx(0.9916, abs=1e-3))
    assert reviewed_accuracy(predictions, accepted[3:], confidence=0.95) is None
