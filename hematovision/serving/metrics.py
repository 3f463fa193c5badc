"""What the service counts, for Prometheus (drift is in drift.py); nothing in it names a picture, a key or a person."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PICTURES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters, gauges and histograms of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests answered.", "method", "route", "status")
        self.seconds = self._histogram("request_seconds", "From the headers to the answer.", _SECONDS, "route")
        self.stage = self._histogram("stage_seconds", "Of one request for predictions.", _SECONDS, "stage")
        self.together = self._histogram("network_pictures", "Pictures that went through together.", _PICTURES)
        self.working = self._gauge("requests_working", "Requests being worked on.")
        self.predictions = self._counter("predictions", "Pictures answered.", "model", "label")
        self.referred = self._counter("referred", "Answers that refer to a person.", "model")
        self.unlike = self._counter("unlike_training", "Pictures unlike the training cells.", "model")
        self.unreadable = self._counter("unreadable", "Pictures that could not be read.")
        self.feedback = self._counter("feedback", "Corrections taken in.", "state")
        self.shadow = self._counter("shadow", "Shadow answers: agrees, differs, failed, left_out.", "outcome")
        self.model = self._gauge("model", "1 for what is served, 2 for its shadow.", "model", "digest")
        self.reloads = self._counter("reloads", "Changes of model: served, refused.", "part", "outcome")
        self.refused = self._gauge("reload_refused", "1 while a model is refused, the old one serving.", "part")

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(f"hematovision_{name}", says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"hematovision_{name}", says, labels, registry=self.registry)

    def _histogram(self, name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"hematovision_{name}", says, labels, buckets=buckets, registry=self.registry)

    def exposition(self) -> bytes:
        """The text format that Prometheus reads."""
        return generate_latest(self.registry)
