"""What the routes work with, and whom they work for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

from fastapi import Depends, Path, Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from fastapi.security.utils import get_authorization_scheme_param

from hematovision.feedback.records import Prediction
from hematovision.feedback.store import FeedbackStore
from hematovision.home import Home
from hematovision.monitoring.history import DriftHistory
from hematovision.serving.access import Doorkeeper, Key, Role
from hematovision.serving.answering import Answering
from hematovision.serving.drift_gauges import DriftGauges
from hematovision.serving.engine import Engine
from hematovision.serving.explanations import Explainers
from hematovision.serving.limits import Admission
from hematovision.serving.metrics import Metrics
from hematovision.serving.problems import Refused
from hematovision.serving.settings import ServingSettings

_CHALLENGE = {"WWW-Authenticate": "Bearer"}
Found = TypeVar("Found")


class Service:
    """What the routes work with."""

    def __init__(
        self,
        home: Home,
        settings: ServingSettings,
        engine: Engine,
        store: FeedbackStore,
        doorkeeper: Doorkeeper,
        metrics: Metrics,
        drift: DriftHistory,
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.store = store
        self.doorkeeper = doorkeeper
        self.metrics = metrics
        self.drift = drift
        self.drift_gauges = DriftGauges(drift, lambda: engine.current.reference)
        metrics.registry.register(self.drift_gauges)
        self.admission = Admission(settings.limits, metrics)
        self.answering = Answering(settings, engine, store, metrics)
        self.explainers = Explainers(home, lambda: engine.current)
        self.drawing = ThreadPoolExecutor(1, thread_name_prefix="drawing")
        self.records = ThreadPoolExecutor(4, thread_name_prefix="records")
        self.showing = ThreadPoolExecutor(1, thread_name_prefix="showing")
        self.drawings_waiting = 0

    async def close(self) -> None:
        """Let what has begun finish."""
        await self.answering.close()
        self.drawing.shutdown()
        self.showing.shutdown()
        self.records.shutdown()

    async def on_record(self, work: Callable[[], Found]) -> Found:
        """Ask the store off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.records, work)

    async def prediction_for(self, key: Key, prediction_id: str) -> Prediction:
        """A prediction this key may see. Refused with 404 for any other."""
        found = await self.on_record(lambda: self.store.prediction(prediction_id))
        if found is None or not (key.may("review") or found.client == key.name):
            raise Refused(404, "There is no such prediction, or it was given to another key.")
        return found


async def service_of(request: Request) -> Service:  # a plain function would be called in a thread, by every request
    """The service behind a request."""
    service: Service = request.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(service_of)]


class KeyOf(SecurityBase):
    """A dependency: the key of the request, if its role includes `role`; else 401 or 403. Comes before any body."""

    def __init__(self, role: Role) -> None:
        self.model = HTTPBearerModel(description="A key from `hematovision keys add`.")
        self.scheme_name = "HTTPBearer"
        self._role = role

    async def __call__(self, request: Request) -> Key:
        """The key; Refused where there is none that may."""
        scheme, text = get_authorization_scheme_param(request.headers.get("authorization"))
        if scheme.lower() != "bearer" or not text:
            raise Refused(401, "A key is needed: Authorization: Bearer KEY.", headers=_CHALLENGE)
        known = await _recognise(request.app.state.service, text)
        if known is None:
            raise Refused(401, "This key is unknown or revoked.", headers=_CHALLENGE)
        if not known.may(self._role):
            raise Refused(403, f"A key of the role {self._role!r} is needed; this one has {known.role!r}.")
        return known


async def _recognise(service: Service, text: str) -> Key | None:
    if service.doorkeeper.stale:
        return await service.on_record(lambda: service.doorkeeper.recognise(text))
    return service.doorkeeper.recognise(text)


Predicting = Annotated[Key, Depends(KeyOf("predict"))]
Reviewing = Annotated[Key, Depends(KeyOf("review"))]
Administering = Annotated[Key, Depends(KeyOf("admin"))]
_ID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
PredictionId = Annotated[str, Path(pattern=_ID, description="Of an answer.")]
ItemId = Annotated[str, Path(pattern=_ID, description="Of a correction.")]
