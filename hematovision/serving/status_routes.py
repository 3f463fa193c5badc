"""The routes that say whose key this is and how the service does."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from hematovision.feedback.statistics import Period
from hematovision.serving.access import ROLES
from hematovision.serving.answers import identity
from hematovision.serving.openapi import problems
from hematovision.serving.schemas import TroubleSeen
from hematovision.serving.service import Predicting, Service, ServiceOf
from hematovision.serving.status_schemas import DriftSeen, KeyHolder, Sending, ServiceStatus

status_routes = APIRouter(prefix="/v1")


@status_routes.get("/key", summary="Whose key this is", responses=problems(401, 403))
async def key_holder(service: ServiceOf, key: Predicting) -> KeyHolder:
    """And what it may do, within which limits."""
    limits = service.settings.limits
    return KeyHolder(
        name=key.name,
        role=key.role,
        may=[role for role in ROLES if key.may(role)],
        votes_as=key.votes_as if key.may("review") else None,
        limits=Sending(images=limits.images, body_bytes=limits.body_bytes, pixels=limits.pixels),
    )


@status_routes.get("/status", summary="How the service does", responses=problems(401, 403, 422, 429, 503))
async def status(
    service: ServiceOf,
    key: Predicting,
    period: Annotated[Period, Query(description="What answers are counted by.")] = "day",
    last: Annotated[int, Query(ge=1, le=90, description="How many such periods.", examples=[14])] = 14,
) -> ServiceStatus:
    """The model that serves, its drift alarms, corrections by state, answers by class over time (UTC)."""
    async with service.admission.admitted(key.id):
        return await service.on_record(lambda: _status(service, period, last))


def _status(service: Service, period: Period, last: int) -> ServiceStatus:
    current, shadow, store = service.engine.current, service.engine.shadow, service.store
    counts = store.stats()
    return ServiceStatus(
        model=identity(current),
        serving_since=current.since,
        shadow=shadow.reference if shadow else None,
        trouble={part: TroubleSeen(**vars(found)) for part, found in service.engine.trouble.items()},
        drift=[DriftSeen.of(check) for check in service.drift.standing(current.reference)],
        predictions=counts["predictions"],
        feedback=counts["items"],
        period=period,
        answers=store.answers_over_time(since=_beginning(period, last), period=period),
    )


def _beginning(period: Period, last: int) -> datetime:
    """Of the first of the last so many periods, the present one among them."""
    present = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    if period == "hour":
        return present - timedelta(hours=last - 1)
    return present.replace(hour=0) - timedelta(days=last - 1)
