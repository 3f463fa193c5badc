"""What monitoring last said of the model that serves, for Prometheus."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from hematovision.monitoring.history import DriftHistory, KeptCheck

logger = logging.getLogger(__name__)
LABELS = ("model", "site")


class DriftGauges(Collector):
    """The newest check of each site; asking for it asks no database."""

    def __init__(self, history: DriftHistory, model: Callable[[], str]) -> None:
        self._history, self._model = history, model
        self._seen: tuple[str, Sequence[KeptCheck]] = ("", [])

    def look(self) -> None:
        """Read the history once; where it cannot be read, what was seen before stays and its age grows."""
        model = self._model()
        try:
            self._seen = (model, self._history.standing(model))
        except SQLAlchemyError as error:
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
            age.add_metric((model, one.site or ""), (now - datetime.fromisoformat(one.time)).total_seconds())
        yield from (alarm, age)
