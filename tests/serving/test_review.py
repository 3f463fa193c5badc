"""The review queue over HTTP: what waits, what it is about, and who decides."""

import io
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image

from hematovision.data.decoding import encode_png
from hematovision.feedback.records import new_id
from hematovision.ledger import open_ledger
from tests.serving.running import Running
from tests.serving.small_models import CLASSES, cell

Client = httpx.Client


@pytest.fixture
def reviewers(service: Running) -> Iterator[dict[str, Client]]:
    """Ada and Ben review, Eve is a senior; each with a key of their own."""
    people = {"Ada": "review", "Ben": "review", "Eve": "senior"}
    made = {name: service.store.add(f"{name} {new_id()}", role) for name, role in people.items()}  # type: ignore[arg-type]
    clients = {
        name: Client(base_url=service.address, headers={"Authorization": f"Bearer {text}"}, timeout=30)
        for name, (_, text) in made.items()
    }
    yield clients
    for client in clients.values():
        client.close()
    for key, _ in made.values():
        service.store.revoke(key.id)


def _picture(form: str = "PNG") -> bytes:
    """A cell that no other test has sent, faintly green: too little to suspect who says it shows something else."""
    noise = np.random.default_rng().integers(0, 20, (64, 64, 3))
    stream = io.BytesIO()
    Image.fromarray((cell((120, 126, 120)) + noise).clip(0, 255).astype(np.uint8)).save(stream, form)
    return stream.getvalue()


def _predicted(client: Client, picture: bytes | None = None, **query: str) -> str:
    files = [("images", ("cell", picture or _picture()))]
    answer = client.post("/v1/predictions", files=files, params=query)
    return str(answer.json()["predictions"][0]["id"])


def _corrected(client: Client, label: str = CLASSES[2], **query: str) -> str:
    given = {"prediction_id": _predicted(client, **query), "label": label}
    return str(client.post("/v1/feedback", json=given).json()["id"])


def _vote(client: Client, item: str, **given: str) -> httpx.Response:
    return client.post(f"/v1/review/items/{item}/votes", json=given)


def _waits_for(client: Client, site: str) -> list[str]:
    queue = client.get("/v1/review/queue", params={"site": site, "limit": 200}).json()
    return [waiting["id"] for waiting in queue["waiting"]]


def test_two_reviewers_who_agree_decide(service: Running, reviewers: dict[str, Client]) -> None:
    with service.client() as technician:
        item = _corrected(technician)
    first = _vote(reviewers["Ada"], item, verdict="accept", label=CLASSES[2])
    again = _vote(reviewers["Ada"], item, verdict="accept")
    second = _vote(reviewers["Ben"], item, verdict="accept")
    assert [answer.status_code for answer in (first, again, second)] == [200] * 3, first.text
    assert [answer.json()["state"] for answer in (first, again, second)] == ["pending", "pending", "accepted"]
    assert second.json()["role"] == "review" and second.json()["by"].startswith("Ben")
    assert _vote(reviewers["Ada"], item, verdict="reject").status_code == 409, "decided; a senior may still reverse it"


def test_one_senior_decides_and_the_ledger_has_it(service: Running, reviewers: dict[str, Client]) -> None:
    with service.client() as technician:
        item = _corrected(technician)
    answer = _vote(reviewers["Eve"], item, verdict="accept").json()
    assert (answer["state"], answer["role"]) == ("accepted", "senior")
    told = [r for r in open_ledger(service.home, None).records(kind="feedback") if r.content["item"]["id"] == item]
    assert [(r.actor, r.content["role"], r.content["state"]) for r in told] == [(answer["by"], "senior", "accepted")]


def test_nobody_decides_about_their_own_and_an_administrator_is_no_senior(
    service: Running, reviewers: dict[str, Client]
) -> None:
    own = _corrected(reviewers["Eve"])
    refused = _vote(reviewers["Eve"], own, verdict="accept")
    assert refused.status_code == 409 and "somebody else" in refused.json()["detail"]
    with service.client("admin") as administrator:
        answer = _vote(administrator, own, verdict="accept").json()
    assert (answer["role"], answer["state"]) == ("review", "pending")


def test_a_vote_against_may_say_what_the_cell_is(service: Running, reviewers: dict[str, Client]) -> None:
    with service.client() as technician:
        item = _corrected(technician)
    given = {"verdict": "reject", "label": CLASSES[0], "client_key": new_id()}
    answers = [_vote(reviewers["Eve"], item, **given).json() for _ in range(2)]
    assert answers[0] == answers[1] and answers[0]["state"] == "rejected"
    instead = reviewers["Ada"].get(f"/v1/review/items/{answers[0]['correction']}").json()
    assert (instead["item"]["label"], instead["item"]["state"]) == (CLASSES[0], "pending")
    assert instead["item"]["by"].startswith("Eve")


def test_votes_that_contradict_themselves_are_not_counted(service: Running, reviewers: dict[str, Client]) -> None:
    with service.client() as technician:
        item = _corrected(technician)
    for given in (
        {"verdict": "accept", "label": CLASSES[0]},
        {"verdict": "reject", "label": CLASSES[2]},
        {"verdict": "reject", "label": "unheard of"},
        {"verdict": "perhaps"},
        {"verdict": "accept", "by": "somebody else"},
        {},
    ):
        assert _vote(reviewers["Eve"], item, **given).status_code == 422, given
    assert _vote(reviewers["Eve"], new_id(), verdict="accept").status_code == 404
    history = reviewers["Ada"].get(f"/v1/review/items/{item}").json()["history"]
    assert [line["action"] for line in history] == ["submitted"]


def test_the_queue_leaves_out_what_one_said_oneself(service: Running, reviewers: dict[str, Client]) -> None:
    site = f"ward {new_id()}"
    with service.client() as technician:
        item = _corrected(technician, site=site)
        untouched = _predicted(technician, site=site)
    assert _waits_for(reviewers["Ada"], site) == [item, untouched], "corrections first"
    _vote(reviewers["Ada"], item, verdict="accept")
    assert _waits_for(reviewers["Ada"], site) == [untouched]
    assert _waits_for(reviewers["Ben"], site) == [item, untouched]
    reviewers["Ben"].post("/v1/feedback", json={"prediction_id": untouched, "label": CLASSES[1]})
    assert _waits_for(reviewers["Ben"], site) == [item]


def test_the_queue_says_as_whom_one_votes_and_keeps_to_its_limit(
    service: Running, reviewers: dict[str, Client]
) -> None:
    with service.client() as technician:
        for _ in range(3):
            _predicted(technician)
    queue = reviewers["Eve"].get("/v1/review/queue", params={"limit": 2}).json()
    assert queue["votes_as"] == "senior" and queue["reviewer"].startswith("Eve") and len(queue["waiting"]) == 2
    for limit in (0, 201, "many"):
        assert reviewers["Eve"].get("/v1/review/queue", params={"limit": limit}).status_code == 422


def test_an_item_comes_with_its_prediction_and_its_picture(service: Running, reviewers: dict[str, Client]) -> None:
    picture = _picture("TIFF")
    with service.client() as technician:
        prediction = _predicted(technician, picture)
        given = {"prediction_id": prediction, "label": CLASSES[2]}
        item = technician.post("/v1/feedback", json=given).json()["id"]
        shown = technician.get(f"/v1/predictions/{prediction}/picture")
    document = reviewers["Ada"].get(f"/v1/review/items/{item}").json()
    assert document["prediction"]["id"] == prediction and document["classes"] == CLASSES
    assert document["item"]["predicted"] == CLASSES[1] and "shadow" not in document["prediction"]
    for answer in (shown, reviewers["Ada"].get(f"/v1/review/items/{item}/picture")):
        assert answer.headers["content-type"] == "image/png"
        np.testing.assert_array_equal(Image.open(io.BytesIO(answer.content)), Image.open(io.BytesIO(picture)))
    assert reviewers["Ada"].get(f"/v1/review/items/{prediction}").status_code == 404, "a prediction is no item"


def test_a_picture_is_drawn_anew_whatever_else_was_in_the_file(service: Running) -> None:
    hidden = b"<script>alert(1)</script>"
    with service.client() as technician, service.client("admin") as other:
        mine = _predicted(technician, _picture() + hidden)
        theirs = _predicted(other)
        assert hidden not in technician.get(f"/v1/predictions/{mine}/picture").content
        assert technician.get(f"/v1/predictions/{theirs}/picture").status_code == 404


def test_a_correction_can_be_taken_back_until_somebody_voted(service: Running, reviewers: dict[str, Client]) -> None:
    with service.client() as technician:
        item, voted = _corrected(technician), _corrected(technician)
        assert reviewers["Ada"].delete(f"/v1/feedback/{item}").status_code == 404, "it is not hers"
        for _ in range(2):
            taken = technician.delete(f"/v1/feedback/{item}")
            assert (taken.status_code, taken.json()["state"]) == (200, "rejected")
        _vote(reviewers["Ada"], voted, verdict="accept")
        refused = technician.delete(f"/v1/feedback/{voted}")
    assert refused.status_code == 409 and "voted" in refused.json()["detail"]
    history = reviewers["Ada"].get(f"/v1/review/items/{item}").json()["history"]
    lines = [(line["action"], line["state"]) for line in history]
    assert lines == [("submitted", "pending"), ("superseded", "rejected")]


def test_pictures_that_another_request_would_answer_are_told_apart(service: Running) -> None:
    large = encode_png(cell(side=900))
    with service.client() as technician:
        files = [("images", ("a.png", large)), ("images", ("b.png", large)), ("images", ("c.txt", b"text"))]
        both = technician.post("/v1/predictions", files=files[:2]).json()
        neither = technician.post("/v1/predictions", files=files[2:]).json()
    assert [(error["index"], error["again"]) for error in both["errors"]] == [(1, True)]
    assert [error["again"] for error in neither["errors"]] == [False]
