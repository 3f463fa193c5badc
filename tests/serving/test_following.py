"""The model changes while requests are answered: none is dropped, a bad successor is refused, a shadow stays unseen."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hematovision.data.decoding import encode_png
from hematovision.registry.package import NETWORK
from tests.serving.hostile import GOOD
from tests.serving.running import Running
from tests.serving.small_models import cell

AS_PNG = {"Content-Type": "image/png"}


def ask_on(running: Running, stop: threading.Event, seen: "Counter[tuple[int, str]]") -> None:
    with running.client() as client:
        while not stop.is_set():
            answer = client.post("/v1/predictions", content=GOOD["image/png"], headers=AS_PNG)
            version = answer.json()["model"]["version"] if answer.status_code == 200 else "none"
            seen[answer.status_code, version] += 1


def followed(client: httpx.Client, version: str) -> dict[str, Any]:
    """The state of readiness once this version serves, without having been told to look."""
    for _ in range(5000):
        found: dict[str, Any] = client.get("/readyz").json()
        if found["model"]["version"] == version:
            return found
    raise AssertionError(f"{version} never served: {found}")


@pytest.fixture
def champion_again(service: Running) -> Iterator[None]:
    yield
    service.registry.point("champion", "1")
    with service.client("admin") as client:
        assert client.post("/v1/model/refresh").json()["model"]["version"] == "1"


@pytest.mark.usefixtures("champion_again")
def test_the_alias_moves_under_load_and_a_damaged_successor_is_refused(service: Running, package: Path) -> None:
    stop, seen = threading.Event(), Counter[tuple[int, str]]()
    threads = [threading.Thread(target=ask_on, args=(service, stop, seen)) for _ in range(3)]
    for thread in threads:
        thread.start()
    with service.client("admin") as client:
        assert client.get("/readyz").json()["shadow"] == "hematovision/2"
        service.registry.point("champion", "2")
        assert followed(client, "2")["shadow"] is None
        version = service.registry.add(package)
        damaged = service.registry.package(version) / NETWORK
        damaged.write_bytes(damaged.read_bytes()[:-1])
        service.registry.point("champion", version)
        refused = client.post("/v1/model/refresh").json()
        exposed = client.get("/metrics").text
        service.registry.point("champion", "1")
        mended = client.post("/v1/model/refresh").json()
    stop.set()
    for thread in threads:
        thread.join(30)
    assert (refused["ready"], refused["model"]["version"]) == (True, "2")
    assert "model.onnx is not the file that was registered" in refused["trouble"]["model"]["reason"]
    assert "REFUSED, hematovision/2 goes on serving" in service.log.read_text()
    assert 'hematovision_reload_refused{part="model"} 1.0' in exposed
    assert (mended["trouble"], mended["model"]["version"]) == ({}, "1")
    assert set(seen) == {(200, "1"), (200, "2")}, "every request was answered, by one model or the other"


def test_a_shadow_answers_unseen(service: Running) -> None:
    picture = encode_png(cell((90, 30, 200)))
    with service.client() as client:
        answer = client.post("/v1/predictions", content=picture, headers=AS_PNG).json()
        given = answer["predictions"][0]
        assert "shadow" not in given and "shadow" not in client.get(f"/v1/predictions/{given['id']}").json()
        for _ in range(5000):
            if 'hematovision_shadow_total{outcome="agrees"}' in client.get("/metrics").text:
                break
        else:
            raise AssertionError("the shadow was never asked")
    assert answer["model"]["version"] == "1"
