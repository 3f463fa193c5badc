"""The routes of the review queue: what waits, what it is about, and a vote on it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from hematovision.feedback.records import Correction, Item
from hematovision.serving.access import Key
from hematovision.serving.documents import read_document
from hematovision.serving.openapi import DRAWING, VOTE_BODY, problems
from hematovision.serving.problems import Refused
from hematovision.serving.review_schemas import ReviewItem, ReviewQueue, VoteGiven, VoteTaken
from hematovision.serving.schemas import KeptPrediction
from hematovision.serving.service import ItemId, Reviewing, Service, ServiceOf
from hematovision.serving.showing import shown

review_routes = APIRouter(prefix="/v1/review")
_MOST = 200
_ITEM_PROBLEMS = (401, 403, 404, 422)


@review_routes.get("/queue", summary="What a person should look at next", responses=problems(401, 403, 422))
async def queue(
    service: ServiceOf,
    key: Reviewing,
    limit: Annotated[int, Query(ge=1, le=_MOST, examples=[50])] = 50,
    site: Annotated[str | None, Query(max_length=200, examples=["ward-3"])] = None,
) -> ReviewQueue:
    """Corrections that wait for a decision, then predictions nobody has looked at; the most urgent first.

    Left out is what the asking person corrected or voted on. The id of a correction leads to `/v1/review/items`, that
    of a prediction to `/v1/predictions`.
    """
    waiting = await service.on_record(lambda: service.store.queue(limit=limit, site=site, reviewer=key.name))
    return ReviewQueue(reviewer=key.name, votes_as=key.votes_as, waiting=waiting)


@review_routes.get("/items/{item_id}", summary="A correction and its history", responses=problems(*_ITEM_PROBLEMS))
async def item(service: ServiceOf, _: Reviewing, item_id: ItemId) -> ReviewItem:
    """With the prediction it is about, where there is one."""
    return await service.on_record(lambda: _told(service, _found(service, item_id)))


@review_routes.get(
    "/items/{item_id}/picture",
    summary="The picture of a correction",
    response_class=Response,
    responses={**DRAWING, **problems(*_ITEM_PROBLEMS, 429, 503)},
)
async def item_picture(service: ServiceOf, key: Reviewing, item_id: ItemId) -> Response:
    """Drawn anew as PNG, whatever it was sent as."""
    found = await service.on_record(lambda: _found(service, item_id))
    return await shown(service, key, found.image)


@review_routes.post(
    "/items/{item_id}/votes",
    summary="Vote on a correction",
    responses=problems(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=VOTE_BODY,
)
async def vote(request: Request, service: ServiceOf, key: Reviewing, item_id: ItemId) -> VoteTaken:
    """On disk when this answers. The key's name is who votes, its role in which role; a person's last vote counts.

    Two reviewers who agree decide, or one senior; never who made the correction. Voting the same way again changes
    nothing.
    """
    async with service.admission.admitted(key.id):
        given = await read_document(request, service.settings.limits, VoteGiven)
        return await service.on_record(lambda: _voted(service, key, item_id, given))


def _found(service: Service, item_id: str) -> Item:
    item = service.store.item(item_id)
    if item is None:
        raise Refused(404, "There is no such correction.")
    return item


def _told(service: Service, item: Item) -> ReviewItem:
    prediction = service.store.prediction(item.prediction_id) if item.prediction_id else None
    return ReviewItem(
        item=item,
        prediction=KeptPrediction.model_validate(prediction.model_dump(exclude={"shadow"})) if prediction else None,
        shadow=prediction.shadow if prediction else None,
        history=service.store.history(item.id),
        classes=_classes(service, item),
    )


def _classes(service: Service, item: Item) -> list[str]:
    """Of the model that was corrected; without one, of the one that serves."""
    prediction = service.store.prediction(item.prediction_id) if item.prediction_id else None
    return list(prediction.probabilities) if prediction else list(service.engine.current.specification.classes)


def _voted(service: Service, key: Key, item_id: str, given: VoteGiven) -> VoteTaken:
    item = _found(service, item_id)
    _refuse_contradiction(service, item, given)
    item = service.store.adjudicate(item.id, given.verdict, key.name, key.votes_as)
    instead = given.label if given.verdict == "reject" else None
    correction = _correct(service, key, item, instead, given.client_key) if instead is not None else None
    return VoteTaken(
        **item.model_dump(include={"id", "state", "reason", "label"}),
        verdict=given.verdict,
        by=key.name,
        role=key.votes_as,
        correction=correction,
    )


def _refuse_contradiction(service: Service, item: Item, given: VoteGiven) -> None:
    if given.label is None:
        return
    if given.verdict == "accept" and given.label != item.label:
        raise Refused(422, f"The correction says {item.label!r}, the vote to accept it {given.label!r}; look again.")
    if given.verdict == "reject" and given.label == item.label:
        raise Refused(422, f"The correction says {item.label!r} too: accept it, or name another class.")
    if given.verdict == "reject" and given.label not in (classes := _classes(service, item)):
        raise Refused(422, f"{given.label!r} is no class of the model; it has {', '.join(classes)}.")


def _correct(service: Service, key: Key, item: Item, label: str, client_key: str | None) -> str:
    """Take in what the voter says it is instead; gives the id of that correction."""
    correction = Correction(
        prediction_id=item.prediction_id,
        image=None if item.prediction_id else service.store.picture(item.image),
        label=label,
        by=key.name,
        role=key.role,
        source="api",
        client_key=client_key or f"{item.id}:{label}",
        site=item.site,
        client=item.client,
        slide=item.slide,
    )
    taken = service.store.submit(correction)
    service.metrics.feedback.labels(taken.state).inc()
    return taken.id
