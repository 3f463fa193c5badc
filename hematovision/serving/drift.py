"""Whether a drift alarm stands for a model, as its monitoring has it."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hematovision.monitoring.history import DriftHistory
from hematovision.serving.status_schemas import DriftSeen

logger = logging.getLogger(__name__)
LABELS = ("model", "site")


def drift_seen(history: DriftHistory, model: str) -> list[DriftSeen]:
    """The newest check of a model at each site: alarms that stand first, then by site.

    Args:
        model: NAME/VERSION.
    """
    seen = [
        DriftSeen(state=check.state, site=check.site, since=check.since, at=check.time, signals=check.alarms, n=check.n)
        for check in history.latest()
        if check.model == model
    ]
    return sorted(seen, key=lambda one: (one.state != "raised", one.site or ""))


class DriftGauges(Collector):
    """What monitoring last said of the model that serves, for Prometheus; asking for it asks no database."""

    def __init__(self, history: DriftHistory, model: Callable[[], str]) -> None:
        self._history, self._model = history, model
        self._seen: tuple[str, list[DriftSeen]] = ("", [])

    def look(self) -> None:
        """Read the history once; where it cannot be read, what was seen before stays and its age grows."""
        try:
            model = self._model()
            self._seen = (model, drift_seen(self._history, model))
        except Exception as error:  # whatever a history trips over, the model goes on being followed
            logger.error("the drift history cannot be read: %s", error)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One sample for every site that was ever checked; `site` is empty for checks of no site in particular."""
        alarm = GaugeMetricFamily(
            "hematovision_drift_alarm", "1 while a drift alarm stands, 0 after a calm check.", labels=LABELS
        )
        age = GaugeMetricFamily("hematovision_drift_check_age_seconds", "Since the last drift check.", labels=LABELS)
        model, seen = self._seen
        now = datetime.now(UTC)
        for one in seen:
            alarm.add_metric((model, one.site or ""), float(one.state == "raised"))
            age.add_metric((model, one.site or ""), (now - datetime.fromisoformat(one.at)).total_seconds())
        yield from (alarm, age)
