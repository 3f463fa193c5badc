"""The same feedback in PostgreSQL, where several services and reviewers write at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hematovision.errors import GateRefused
from hematovision.feedback.records import Correction, Prediction
from hematovision.feedback.store import FeedbackStore
from hematovision.ledger import open_ledger
from tests.feedback.cells import store_at, tiny

Predict = Callable[..., Prediction]


@pytest.fixture
def services(home: object, postgres: str, tmp_path: Path) -> list[FeedbackStore]:
    """Eight services with homes of their own, on one database and one folder of pictures."""
    pictures = str(tmp_path / "pictures")
    return [store_at(tmp_path / f"service-{number}", pictures, postgres) for number in range(8)]


def correction(**fields: object) -> Correction:
    said = {"label": "lymphocyte", "by": "ann", "role": "predict", "source": "page", "client_key": "k1"}
    return Correction.model_validate(said | fields)


def test_from_a_prediction_to_an_accepted_correction(services: list[FeedbackStore], predicted: Predict) -> None:
    here, there = services[:2]
    given = predicted(tiny(1), site="north", slide="S7", time="2026-01-02T10:00:00")
    assert here.keep_predictions([(given, tiny(1))]) == 1
    assert there.keep_predictions([(given, tiny(1))]) == 0
    assert there.prediction(given.id) == given
    assert list(there.predictions(since="2026-01-02", site="north", limit=5)["id"]) == [given.id]
    assert [dict(one.classes) for one in there.answers_over_time(since="2026-01-01", period="day")] == [{"monocyte": 1}]
    item = here.submit(correction(prediction_id=given.id))
    assert [one.id for one in there.queue(limit=3, reviewer="bob")] == [item.id]
    with pytest.raises(GateRefused):
        there.adjudicate(item.id, "accept", "ann", "review")
    there.adjudicate(item.id, "accept", "bob", "review")
    assert here.adjudicate(item.id, "accept", "cid", "review").state == "accepted"
    assert there.items(state="accepted", limit=2) == [here.item(item.id)]
    assert here.stats() == there.stats()
    assert len(there.history(item.id)) >= 3


def test_one_key_sent_to_every_service_at_once_is_one_item(services: list[FeedbackStore]) -> None:
    with ThreadPoolExecutor(len(services)) as threads:
        found = list(threads.map(lambda store: store.submit(correction(image=tiny(1))).id, services))
    assert len(set(found)) == 1 == len(services[0].items())


def test_votes_that_meet_decide_once(services: list[FeedbackStore], postgres: str, home: object) -> None:
    item = services[0].submit(correction(image=tiny(1)))
    voters = [f"voter {number}" for number in range(len(services))]

    def vote(store: FeedbackStore, who: str) -> str:
        try:
            return store.adjudicate(item.id, "accept", who, "review").state
        except GateRefused:
            return "too late"

    with ThreadPoolExecutor(len(services)) as threads:
        told = list(threads.map(vote, services, voters))
    assert sorted(set(told)) == ["accepted", "pending", "too late"] and told.count("accepted") == 1
    ledger = open_ledger(home, postgres)  # type: ignore[arg-type]
    decided = [record for record in ledger.records(kind="feedback") if item.id in str(record.content)]
    assert len([record for record in decided if record.content.get("state") == "accepted"]) == 1
