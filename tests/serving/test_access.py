"""Who may ask for what; keys that cannot be read from disk or log."""

from pathlib import Path

import pytest

from hematovision.errors import UsageError
from hematovision.feedback.records import new_id
from hematovision.home import Home
from hematovision.serving.access import Doorkeeper, KeyStore, Role, open_keys
from tests.serving.hostile import GOOD
from tests.serving.running import Running

PNG = GOOD["image/png"]
ENDPOINTS: dict[tuple[str, str], Role | None] = {
    ("POST", "/v1/predictions"): "predict",
    ("GET", "/v1/predictions/{prediction_id}"): "predict",
    ("GET", "/v1/predictions/{prediction_id}/picture"): "predict",
    ("GET", "/v1/predictions/{prediction_id}/explanation"): "predict",
    ("POST", "/v1/feedback"): "predict",
    ("DELETE", "/v1/feedback/{item_id}"): "predict",
    ("GET", "/v1/review/queue"): "review",
    ("GET", "/v1/review/items/{item_id}"): "review",
    ("GET", "/v1/review/items/{item_id}/picture"): "review",
    ("POST", "/v1/review/items/{item_id}/votes"): "review",
    ("GET", "/v1/key"): "predict",
    ("GET", "/v1/status"): "predict",
    ("GET", "/v1/model"): "predict",
    ("POST", "/v1/model/refresh"): "admin",
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/metrics"): None,
}


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return open_keys(Home(tmp_path), None)


def test_a_key_is_recognised_until_it_is_revoked(store: KeyStore) -> None:
    key, text = store.add("bench 4", "review")
    door = Doorkeeper(store, fresh_seconds=0)
    assert door.recognise(text) == key
    assert key.may("predict") and key.may("review") and not key.may("admin")
    assert store.revoke(key.id).revoked is not None
    assert door.recognise(text) is None
    assert store.revoke(key.id) == store.list()[0], "revoking again changes nothing"


@pytest.mark.parametrize(("role", "votes_as"), [("review", "review"), ("senior", "senior"), ("admin", "review")])
def test_running_the_service_makes_nobody_a_senior(store: KeyStore, role: Role, votes_as: str) -> None:
    assert store.add("a", role)[0].votes_as == votes_as


def test_what_is_not_exactly_the_key_is_nobody(store: KeyStore) -> None:
    key, text = store.add("a", "predict")
    _, other = store.add("b", "admin")
    door = Doorkeeper(store, fresh_seconds=60)
    secret = other.split("_", 2)[2]
    for wrong in (
        "",
        "hv",
        "hv__",
        text[:-1],
        text + "x",
        f"hv_{key.id}_{secret}",
        f"hv_{key.id}_",
        f" {text}",
        "hv_x_é",
    ):
        assert door.recognise(wrong) is None, wrong


def test_names_are_told_apart_and_readable(store: KeyStore) -> None:
    store.add("ward 3", "predict")
    with pytest.raises(UsageError, match="already has"):
        store.add("ward 3", "admin")
    for name in ("", "  ", "a\nb", "x" * 201):
        with pytest.raises(UsageError, match="needs a name"):
            store.add(name, "predict")
    with pytest.raises(UsageError, match="no key"):
        store.revoke("nobody")


def test_every_endpoint_is_known_here(service: Running) -> None:
    with service.client(None) as client:
        described = client.get("/openapi.json").json()["paths"]
    assert {(method.upper(), path) for path, methods in described.items() for method in methods} == set(ENDPOINTS)


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_every_role_may_what_it_may_and_nothing_else(service: Running, method: str, path: str) -> None:
    needed, order = ENDPOINTS[method, path], ["predict", "review", "senior", "admin"]
    place = path.format(prediction_id=new_id(), item_id=new_id())
    for role in (None, *order):
        with service.client(role) as client:  # type: ignore[arg-type]
            status = client.request(method, place).status_code
        if needed is None or (role is not None and order.index(role) >= order.index(needed)):
            assert status not in (401, 403), (role, status)
        else:
            assert status == (401 if role is None else 403), role


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic YTpi", "Bearer", "hv_1_2", "Bearer hv_" + "x" * 5000])
def test_other_credentials_are_no_key(service: Running, header: str) -> None:
    with service.client(None) as client:
        answer = client.post("/v1/predictions", content=PNG, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_new_key_opens_and_a_revoked_one_does_not_without_a_restart(service: Running) -> None:
    key, text = service.store.add("for a moment", "predict")
    with service.client(None) as client:
        client.headers["Authorization"] = f"Bearer {text}"
        assert client.get("/v1/model").status_code == 200
        service.store.revoke(key.id)
        assert client.get("/v1/model").status_code == 401


def test_no_key_can_be_read_from_disk_or_log(service: Running) -> None:
    secrets = [text.split("_", 2)[2].encode() for text in service.keys.values()]
    with service.client() as client:
        key = service.keys["predict"]
        client.post(f"/v1/predictions?key={key}", content=PNG, headers={"Content-Type": "image/png"})
        client.get(f"/v1/model?token={key}")
        client.get("/v1/model", headers={"X-Key": key, "Referer": f"http://x/?{key}"})
    log = service.log.read_bytes()
    assert b"POST /v1/predictions" in log and b"GET /v1/model 200" in log
    for file in [service.log, *(path for path in service.home.root.rglob("*") if path.is_file())]:
        content = file.read_bytes()
        assert not any(secret in content for secret in secrets), file


def test_no_other_site_may_read_an_answer(service: Running) -> None:
    with service.client() as client:
        asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
        preflight = client.options("/v1/predictions", headers=asked)
        answer = client.get("/v1/model", headers=asked)
    assert preflight.status_code == 405
    for found in (preflight, answer):
        assert not [name for name in found.headers if name.startswith("access-control")]
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
