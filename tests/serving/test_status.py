"""Whose key this is, and how the service does."""

from pathlib import Path

import pytest

from hematovision.data.decoding import encode_png
from hematovision.home import Home
from hematovision.monitoring.history import DriftHistory, open_history
from hematovision.serving.status_schemas import DriftSeen
from tests.monitoring.test_history import check
from tests.serving.running import LIMITS, Running
from tests.serving.small_models import CLASSES, cell

MODEL = "hematovision/1"


@pytest.fixture
def history(tmp_path: Path) -> DriftHistory:
    return open_history(Home(tmp_path), None)


@pytest.mark.parametrize(
    ("role", "may", "votes_as"),
    [
        ("predict", ["predict"], None),
        ("review", ["predict", "review"], "review"),
        ("senior", ["predict", "review", "senior"], "senior"),
        ("admin", ["predict", "review", "senior", "admin"], "review"),
    ],
)
def test_a_key_says_whose_it_is(service: Running, role: str, may: list[str], votes_as: str | None) -> None:
    with service.client(role) as client:  # type: ignore[arg-type]
        document = client.get("/v1/key").json()
    assert (document["name"], document["role"], document["may"]) == (f"{role} bench", role, may)
    assert document["votes_as"] == votes_as
    assert document["limits"] == {name: LIMITS[name] for name in ("images", "body_bytes", "pixels")}


def test_the_status_counts_what_was_answered(service: Running) -> None:
    with service.client() as client:
        before = client.get("/v1/status", params={"period": "hour", "last": 2}).json()
        blue = encode_png(cell((1, 2, 250)))
        client.post("/v1/predictions", files=[("images", ("a", blue)), ("images", ("b", blue))])
        after = client.get("/v1/status", params={"period": "hour", "last": 2}).json()
        days = client.get("/v1/status").json()

    def blues(document: dict) -> int:  # type: ignore[type-arg]
        return sum(interval["classes"].get(CLASSES[2], 0) for interval in document["answers"])

    assert after["predictions"] - before["predictions"] == blues(after) - blues(before) == 2
    assert all(sum(one["classes"].values()) == one["n"] for one in after["answers"])
    assert blues(days) == blues(after) and len(days["answers"][-1]["start"]) == len("2026-11-22")
    assert days["model"]["data_version"] == "first" and days["shadow"] == "hematovision/2"
    assert set(days["feedback"]) > {"pending", "quarantined"}


def test_the_status_keeps_to_its_limits(service: Running) -> None:
    with service.client() as client:
        for query in ({"last": 0}, {"last": 91}, {"period": "year"}):
            assert client.get("/v1/status", params=query).status_code == 422


def test_a_check_is_told_with_the_time_its_alarm_began(history: DriftHistory) -> None:
    raised = history.keep(check(True, site="south"))
    latest = history.keep(check(True, site="south"))
    seen = DriftSeen.of(latest)
    assert (seen.site, seen.state, seen.signals) == ("south", "raised", ["brightness"])
    assert (seen.since, seen.at, seen.n) == (raised.time, latest.time, 50)


def test_a_check_without_a_site_is_told_too(history: DriftHistory) -> None:
    assert DriftSeen.of(history.keep(check(False, site=None))).site is None
