"""Pictures over HTTP: answered, kept, explained, corrected."""

import hashlib
import io

import httpx
import numpy as np
import pytest
from PIL import Image

from hematovision.data.decoding import encode_png
from hematovision.feedback.records import new_id
from hematovision.serving.answers import referral
from hematovision.serving.schemas import NOTICE
from hematovision.serving.settings import ReferralSettings
from tests.serving.hostile import GOOD
from tests.serving.running import Running
from tests.serving.small_models import CLASSES, cell

GREEN, RED = encode_png(cell((60, 200, 60))), encode_png(cell((220, 40, 50)))


def send(client: httpx.Client, *pictures: bytes, **query: str) -> httpx.Response:
    files = [("images", (f"{number}.png", data)) for number, data in enumerate(pictures)]
    return client.post("/v1/predictions", files=files, params=query)


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_every_format_is_answered_as_the_body_itself(service: Running, kind: str) -> None:
    with service.client() as client:
        answer = client.post("/v1/predictions", content=GOOD[kind], headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["predictions"]
    assert found["label"] == CLASSES[1], "green is strongest"
    assert found["file"] is None


def test_an_answer_says_all_that_a_laboratory_needs(service: Running) -> None:
    with service.client() as client:
        document = send(client, GREEN).json()
    assert document["notice"] == NOTICE and document["confidence"] == 0.95 and document["errors"] == []
    assert document["model"]["data_version"] == "first" and document["model"]["synthetic"] is True
    assert (document["model"]["name"], document["model"]["version"]) == ("hematovision", "1")
    (found,) = document["predictions"]
    scores = np.exp(6 * (np.array([60, 200, 60]) / 127.5 - 1))
    np.testing.assert_allclose([found["probabilities"][name] for name in CLASSES], scores / scores.sum(), rtol=1e-3)
    assert found["probability"] == found["probabilities"][found["label"]]
    assert found["set"] == [CLASSES[1]]
    assert found["strangeness"] == pytest.approx(np.linalg.norm(np.array([60, 200, 60]) / 127.5 - 1) / 2, rel=1e-3)
    assert (found["unlike_training"], found["refer"], found["refer_because"]) == (False, False, [])


def test_one_bad_picture_of_many_has_an_error_of_its_own(service: Running) -> None:
    with service.client() as client:
        answer = send(client, GREEN, b"just text", RED, GREEN[:60])
    document = answer.json()
    assert answer.status_code == 200
    assert [(found["index"], found["file"], found["label"]) for found in document["predictions"]] == [
        (0, "0.png", CLASSES[1]),
        (2, "2.png", CLASSES[0]),
    ]
    assert [(found["index"], found["file"]) for found in document["errors"]] == [(1, "1.png"), (3, "3.png")]
    assert "looks like text" in document["errors"][0]["reason"]


def test_where_no_picture_can_be_read_the_reasons_are_told(service: Running) -> None:
    with service.client() as client:
        answer = send(client, b"text", b"\xff\xd8\xffbroken")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [found["index"] for found in answer.json()["errors"]] == [0, 1]


def test_a_prediction_is_kept_as_it_was_given_and_seen_only_by_who_may(service: Running) -> None:
    with service.client() as client, service.client("review") as reviewer:
        given = send(client, RED, site="ward-3", slide="s 17").json()["predictions"][0]
        kept = client.get(f"/v1/predictions/{given['id']}").json()
        assert {name: kept[name] for name in ("id", "label", "probabilities", "set", "refer")} == {
            name: given[name] for name in ("id", "label", "probabilities", "set", "refer")
        }
        assert (kept["site"], kept["slide"], kept["client"]) == ("ward-3", "s 17", "predict bench")
        assert (kept["model"], kept["image"]) == ("hematovision/1", hashlib.sha256(RED).hexdigest())
        assert reviewer.get(f"/v1/predictions/{given['id']}").status_code == 200
        others = send(reviewer, RED).json()["predictions"][0]["id"]
        for path in (
            f"/v1/predictions/{others}",
            f"/v1/predictions/{others}/explanation",
            f"/v1/predictions/{new_id()}",
        ):
            assert client.get(path).status_code == 404, path


def test_a_heat_map_is_the_picture_with_colours_on_it(service: Running) -> None:
    picture = encode_png(np.random.default_rng(1).integers(0, 256, (40, 70, 3), dtype=np.uint8))
    with service.client() as client:
        found = send(client, picture).json()["predictions"][0]
        drawn = client.get(f"/v1/predictions/{found['id']}/explanation", params={"class": CLASSES[2]})
        unknown = client.get(f"/v1/predictions/{found['id']}/explanation", params={"class": "blast"})
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(drawn.content)).size == (70, 40)
    assert unknown.status_code == 422 and CLASSES[0] in unknown.json()["detail"]


def test_a_correction_is_kept_once_however_often_it_is_sent(service: Running) -> None:
    with service.client() as client:
        found = send(client, encode_png(cell((1, 2, 250)))).json()["predictions"][0]
        given = {"prediction_id": found["id"], "label": CLASSES[0], "client_key": "bench 4, cell 17"}
        answers = [client.post("/v1/feedback", json=given) for _ in range(3)]
        other = client.post("/v1/feedback", json=given | {"label": CLASSES[1]})
    assert [answer.status_code for answer in answers] == [201] * 3, answers[0].text
    assert len({answer.json()["id"] for answer in answers}) == 1
    taken = answers[0].json()
    assert (taken["state"], taken["predicted"], taken["label"]) == ("pending", CLASSES[2], CLASSES[0])
    assert other.status_code == 422 and "client key" in other.json()["detail"]


def test_feedback_that_makes_no_sense_is_refused(service: Running) -> None:
    with service.client() as client, service.client("admin") as other:
        mine = send(client, GREEN).json()["predictions"][0]["id"]
        theirs = send(other, GREEN).json()["predictions"][0]["id"]
        statuses = [
            client.post("/v1/feedback", json=given).status_code
            for given in (
                {"prediction_id": mine, "label": "unheard of"},
                {"prediction_id": mine},
                {"prediction_id": mine, "label": CLASSES[0], "by": "somebody else"},
                {"prediction_id": theirs, "label": CLASSES[0]},
                [],
            )
        ]
        text = client.post("/v1/feedback", content=b"label=x", headers={"Content-Type": "text/plain"}).status_code
    assert [*statuses, text] == [422, 422, 422, 404, 422, 415]


POLICY = ReferralSettings(set_larger_than=1, probability_below=0.6, unlike_training=True, labels=["blast"])


@pytest.mark.parametrize(
    ("label", "probability", "possible", "unlike", "reasons"),
    [
        ("lymphocyte", 0.9, ["lymphocyte"], False, 0),
        ("lymphocyte", 0.9, ["lymphocyte", "monocyte"], False, 1),
        ("lymphocyte", 0.5, ["lymphocyte"], False, 1),
        ("blast", 0.99, ["blast"], False, 1),
        ("blast", 0.5, ["blast", "monocyte"], True, 4),
    ],
)
def test_the_policy_says_when_a_person_looks(
    label: str, probability: float, possible: list[str], unlike: bool, reasons: int
) -> None:
    assert len(referral(label, probability, possible, unlike_training=unlike, policy=POLICY)) == reasons


def test_a_policy_may_leave_all_to_the_model() -> None:
    lenient = ReferralSettings(set_larger_than=None, probability_below=None, unlike_training=False, labels=[])
    assert referral("a", 0.01, ["a", "b", "c"], unlike_training=True, policy=lenient) == []
