"""The HTTP application around a started engine; it follows the registry for as long as it runs."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from hematovision import __version__
from hematovision.feedback.store import FeedbackStore
from hematovision.home import Home
from hematovision.monitoring.history import DriftHistory
from hematovision.serving.access import Doorkeeper
from hematovision.serving.engine import Engine
from hematovision.serving.laboratory import install_page
from hematovision.serving.metrics import Metrics
from hematovision.serving.problems import install_problems
from hematovision.serving.review_routes import review_routes
from hematovision.serving.routes import routes
from hematovision.serving.schemas import NOTICE
from hematovision.serving.service import Service
from hematovision.serving.settings import ServingSettings
from hematovision.serving.status_routes import status_routes
from hematovision.serving.watching import Watched


def create_app(
    home: Home,
    settings: ServingSettings,
    engine: Engine,
    store: FeedbackStore,
    doorkeeper: Doorkeeper,
    metrics: Metrics,
    drift: DriftHistory,
) -> FastAPI:
    """The application; its lifespan starts and ends what works behind it."""
    app = FastAPI(
        title="HematoVision",
        version=__version__,
        summary="Classes of single blood cells, with calibrated probabilities and prediction sets.",
        description=NOTICE,
        docs_url=None,  # the pages would be loaded from a server outside
        redoc_url=None,
        lifespan=_life,
    )
    app.state.service = Service(home, settings, engine, store, doorkeeper, metrics, drift)
    for router in (routes, review_routes, status_routes):
        app.include_router(router)
    install_page(app)
    install_problems(app)
    app.add_middleware(Watched, metrics=metrics)
    return app


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    threading.Thread(target=service.explainers.prepare, name="preparing", daemon=True).start()  # no end waits for it
    following = asyncio.create_task(_follow(service))
    yield
    following.cancel()
    await service.close()


async def _follow(service: Service) -> None:
    """Look at the registry and the drift history again and again; nothing that happens there ends the service."""
    while True:
        await asyncio.to_thread(service.drift_gauges.look)
        await asyncio.sleep(service.settings.poll_seconds)
        await asyncio.to_thread(service.engine.refresh)
