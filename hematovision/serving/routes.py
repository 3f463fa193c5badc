"""The routes, thin: who may, what is read, which part of the service answers."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import StringConstraints

from hematovision.errors import HematoVisionError
from hematovision.feedback.records import Correction, Prediction
from hematovision.learning.heatmaps import NoSpatialMap
from hematovision.serving.answers import Asker, identity, taken
from hematovision.serving.documents import read_document
from hematovision.serving.limits import read_body
from hematovision.serving.openapi import DRAWING, EXPOSITION, FEEDBACK_BODY, PICTURES_BODY, problems
from hematovision.serving.problems import Refused
from hematovision.serving.schemas import (
    Alive,
    FeedbackGiven,
    FeedbackTaken,
    KeptPrediction,
    ModelIdentity,
    Predictions,
    Readiness,
    TroubleSeen,
)
from hematovision.serving.service import Administering, ItemId, Predicting, PredictionId, Service, ServiceOf
from hematovision.serving.showing import shown

routes = APIRouter()
Place = Annotated[
    Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/#-]{0,99}$")] | None,
    Query(examples=["ward-3"]),
]


@routes.post(
    "/v1/predictions",
    summary="Answer one picture or many",
    responses=problems(400, 401, 403, 408, 413, 415, 422, 429, 503),
    openapi_extra=PICTURES_BODY,
)
async def predict(
    request: Request, service: ServiceOf, key: Predicting, site: Place = None, slide: Place = None
) -> Predictions:
    """A form with files called `images`, or a picture as the body: JPEG, PNG, TIFF, BMP or WebP.

    `site` names the laboratory or scanner, `slide` the slide or patient, where known. A picture that cannot be read is
    listed in `errors`, the others are answered.
    """
    async with service.admission.admitted(key.id):
        body = await read_body(request, service.settings.limits)
        asker = Asker(client=key.name, site=site, slide=slide)
        return await service.answering.predict(request.headers.get("content-type", ""), body, asker)


@routes.get(
    "/v1/predictions/{prediction_id}", summary="A prediction as it was given", responses=problems(401, 403, 404, 422)
)
async def prediction(service: ServiceOf, key: Predicting, prediction_id: PredictionId) -> KeptPrediction:
    """With a key of the role `predict`, one's own; with any other, any."""
    found = await service.prediction_for(key, prediction_id)
    return KeptPrediction.model_validate(found.model_dump(exclude={"shadow"}))


@routes.get(
    "/v1/predictions/{prediction_id}/picture",
    summary="The picture that was answered",
    response_class=Response,
    responses={**DRAWING, **problems(401, 403, 404, 422, 429, 503)},
)
async def picture(service: ServiceOf, key: Predicting, prediction_id: PredictionId) -> Response:
    """Drawn anew as PNG, whatever it was sent as, so that a browser shows it and nothing else that was in the file."""
    found = await service.prediction_for(key, prediction_id)
    return await shown(service, key, found.image)


@routes.get(
    "/v1/predictions/{prediction_id}/explanation",
    summary="Where the model looked",
    response_class=Response,
    responses={**DRAWING, **problems(401, 403, 404, 409, 422, 503)},
)
async def explanation(
    service: ServiceOf,
    key: Predicting,
    prediction_id: PredictionId,
    label: Annotated[str | None, Query(alias="class", max_length=200, examples=["monocyte"])] = None,
) -> Response:
    """The picture with a Grad-CAM heat map laid over it, as PNG: of the predicted class, or of another."""
    found = await service.prediction_for(key, prediction_id)
    if label is not None and label not in found.probabilities:
        raise Refused(422, f"The model that answered has no such class; it has {', '.join(found.probabilities)}.")
    if service.drawings_waiting >= service.settings.limits.explanations_at_once:
        raise Refused(503, "Too many heat maps are being drawn; try again in a moment.", headers={"Retry-After": "2"})
    service.drawings_waiting += 1
    try:
        drawn = await asyncio.get_running_loop().run_in_executor(service.drawing, _draw, service, found, label)
    finally:
        service.drawings_waiting -= 1
    return Response(drawn, media_type="image/png")


def _draw(service: Service, found: Prediction, label: str | None) -> bytes:
    try:
        picture = service.store.picture(found.image)
    except HematoVisionError as error:
        raise Refused(404, "The picture of this prediction was not kept, so there is no heat map.") from error
    try:
        return service.explainers.draw(found.model, found.model_digest, picture, label or found.label)
    except NoSpatialMap as error:
        raise Refused(409, str(error)) from error
    except HematoVisionError as error:
        raise Refused(409, f"The model that gave this prediction is no longer to be had: {error}") from error


@routes.post(
    "/v1/feedback",
    summary="Say what a cell is",
    status_code=201,
    responses=problems(400, 401, 403, 404, 408, 409, 413, 415, 422, 503),
    openapi_extra=FEEDBACK_BODY,
)
async def feedback(request: Request, service: ServiceOf, key: Predicting) -> FeedbackTaken:
    """Correct or confirm a prediction. On disk when this answers; training data only once people have agreed on it."""
    async with service.admission.admitted(key.id):
        given = await read_document(request, service.settings.limits, FeedbackGiven)
        found = await service.prediction_for(key, given.prediction_id)
        if given.label not in found.probabilities:
            raise Refused(422, f"{given.label!r} is no class of the model; it has {', '.join(found.probabilities)}.")
        correction = Correction(
            prediction_id=found.id,
            label=given.label,
            by=key.name,
            role=key.role,
            source="api",
            client_key=given.client_key or f"{found.id}:{given.label}",
        )
        item = await service.on_record(lambda: service.store.submit(correction))
    service.metrics.feedback.labels(item.state).inc()
    return taken(item)


@routes.delete("/v1/feedback/{item_id}", summary="Take back what one said", responses=problems(401, 403, 404, 409, 422))
async def take_back(service: ServiceOf, key: Predicting, item_id: ItemId) -> FeedbackTaken:
    """One's own correction, as long as nobody has voted on it; its history keeps both."""
    item = await service.on_record(lambda: service.store.take_back(item_id, key.name))
    if item is None:
        raise Refused(404, "There is no such correction, or another key made it.")
    return taken(item)


@routes.get("/v1/model", summary="What answers", responses=problems(401, 403))
async def model(service: ServiceOf, _: Predicting) -> ModelIdentity:
    """The model that answers the next request."""
    return identity(service.engine.current)


@routes.post("/v1/model/refresh", summary="Look at the registry now", responses=problems(401, 403))
async def refresh(service: ServiceOf, _: Administering) -> Readiness:
    """Follow the alias without waiting for the next look; a model that cannot be verified is refused, see `trouble`."""
    await asyncio.to_thread(service.engine.refresh)
    return _readiness(service)


@routes.get("/healthz", summary="The process answers")
async def healthz() -> Alive:
    """Says nothing about the model."""
    return Alive()


@routes.get("/readyz", summary="Requests are answered, and by which model", responses=problems(503))
async def readyz(service: ServiceOf) -> Readiness:
    """`trouble` says which model was asked for and refused while this one goes on serving."""
    return _readiness(service)


def _readiness(service: Service) -> Readiness:
    current, shadow = service.engine.current, service.engine.shadow
    return Readiness(
        ready=True,
        model=identity(current),
        serving_since=current.since,
        shadow=shadow.reference if shadow else None,
        trouble={part: TroubleSeen(**vars(found)) for part, found in service.engine.trouble.items()},
    )


@routes.get("/metrics", summary="For Prometheus", response_class=Response, responses=EXPOSITION)
async def metrics(service: ServiceOf) -> Response:
    """Counters and histograms; nothing of a picture, a person or a key."""
    content: Any = service.metrics.exposition()
    return Response(content, media_type="text/plain; version=0.0.4; charset=utf-8")
