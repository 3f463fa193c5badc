"""The drift state at /metrics: of the model that serves, at every site, and how old it is."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError

from hematovision.home import Home
from hematovision.monitoring.history import DriftHistory, open_history
from hematovision.serving.drift_gauges import DriftGauges
from tests.monitoring.test_history import check
from tests.serving.running import Running

MODEL = "hematovision/1"


@pytest.fixture
def history(tmp_path: Path) -> DriftHistory:
    return open_history(Home(tmp_path), None)


def _alarms(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    samples = [one for family in registry.collect() for one in family.samples if one.name == "hematovision_drift_alarm"]
    return {(one.labels["model"], one.labels["site"]): one.value for one in samples}


def test_every_site_of_the_model_that_serves_has_its_last_verdict_and_its_age(history: DriftHistory) -> None:
    served, registry = [MODEL], CollectorRegistry()
    gauges = DriftGauges(history, lambda: served[0])
    registry.register(gauges)
    gauges.look()
    assert _alarms(registry) == {}, "nobody has looked yet, which is not the same as calm"
    history.keep(check(True, site="north"))
    history.keep(check(False, site=None))
    two_hours_ago = (datetime.now(UTC) - timedelta(hours=2)).isoformat(timespec="microseconds")
    history.keep(check(True, site="south", time=two_hours_ago))
    history.keep(check(False, model="hematovision/2", site="north"))
    gauges.look()
    assert _alarms(registry) == {(MODEL, "north"): 1.0, (MODEL, ""): 0.0, (MODEL, "south"): 1.0}
    age = registry.get_sample_value("hematovision_drift_check_age_seconds", {"model": MODEL, "site": "south"})
    assert age is not None and 7200 <= age < 7300
    history.keep(check(False, site="north"))
    gauges.look()
    assert _alarms(registry)[(MODEL, "north")] == 0.0
    served[0] = "hematovision/2"
    gauges.look()
    assert _alarms(registry) == {("hematovision/2", "north"): 0.0}, "of a former champion nothing is left"


def test_a_history_that_cannot_be_read_stops_nothing_and_leaves_what_was_seen(
    history: DriftHistory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry, gauges = CollectorRegistry(), DriftGauges(history, lambda: MODEL)
    registry.register(gauges)
    history.keep(check(True, site="north"))
    gauges.look()

    def gone(model: str) -> None:
        raise SQLAlchemyError("the database is gone")

    monkeypatch.setattr(history, "standing", gone)
    with caplog.at_level(logging.ERROR):
        gauges.look()
    assert _alarms(registry) == {(MODEL, "north"): 1.0}
    assert "the database is gone" in caplog.text


def test_a_running_service_tells_it(service: Running) -> None:
    history = open_history(service.home, None)
    with service.client() as client:
        model = client.get("/v1/model").json()
        reference = f"{model['name']}/{model['version']}"
        history.keep(check(True, model=reference, site="north"))
        wanted = f'hematovision_drift_alarm{{model="{reference}",site="north"}} 1.0'
        shown = any(wanted in client.get("/metrics").text for _ in range(2000))
    history.engine.dispose()
    assert shown
