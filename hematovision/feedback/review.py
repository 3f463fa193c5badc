"""The review queue: what a person should look at next, the most urgent first."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, select

from hematovision.feedback.adjudication import person
from hematovision.feedback.items import item_of
from hematovision.feedback.records import OPEN
from hematovision.feedback.tables import events, items, predictions


class Waiting(BaseModel):
    """One entry of the queue: an item to be decided, or a prediction nobody has looked at.

    Attributes:
        id: of the item or the prediction. label: what the corrector says, None for a prediction. predicted: what the
            model says. uncertainty, disagreement: of the model and of two models, 0–1. urgency: what the order follows.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["item", "prediction"]
    id: str
    image: str
    label: str | None
    predicted: str | None
    state: str | None
    reason: str
    site: str | None
    uncertainty: float
    disagreement: float
    urgency: float


def queue(connection: Connection, *, limit: int, site: str | None = None, reviewer: str | None = None) -> list[Waiting]:
    """Up to `limit` entries: corrections that wait for a decision, then predictions whose picture is kept.

    Corrections come by the model's uncertainty, the disagreement of models, of model and corrector, and of people
    (one each at most); predictions by uncertainty and disagreement of models. `reviewer` leaves out what this person
    corrected or voted on already.
    """
    waiting = _corrections(connection, site, reviewer)[:limit]
    return waiting + _predictions(connection, site, limit - len(waiting)) if len(waiting) < limit else waiting


def _corrections(connection: Connection, site: str | None, reviewer: str | None) -> list[Waiting]:
    asked = (predictions.c.uncertainty, predictions.c.disagreement, predictions.c.probabilities)
    query = (
        select(*items.columns, *asked)
        .select_from(items.outerjoin(predictions, items.c.prediction_id == predictions.c.id))
        .where(items.c.state.in_(OPEN))
    )
    if site is not None:
        query = query.where(items.c.site == site)
    done: set[str] = set()
    if reviewer is not None:
        query = query.where(items.c.person != person(reviewer))
        done = _voted(connection, reviewer)
    found = [_correction(row) for row in connection.execute(query).mappings() if row["id"] not in done]
    return sorted(found, key=lambda one: (-one.urgency, one.id))


def _correction(row: Any) -> Waiting:
    item = item_of(row)
    unsure, models = row["uncertainty"] or 0.0, row["disagreement"] or 0.0
    against = 1 - row["probabilities"].get(item.label, 0.0) if row["probabilities"] else 0.0
    people = 1.0 if item.state == "disputed" else 0.0
    return Waiting(
        kind="item",
        uncertainty=unsure,
        disagreement=models,
        urgency=unsure + models + against + people,
        **item.model_dump(include={"id", "image", "label", "predicted", "state", "reason", "site"}),
    )


def _voted(connection: Connection, reviewer: str) -> set[str]:
    query = (
        select(events.c.item, events.c.by)
        .join(items, items.c.id == events.c.item)
        .where(events.c.action == "voted", items.c.state.in_(OPEN))
    )
    return {row.item for row in connection.execute(query) if person(row.by) == person(reviewer)}


def _predictions(connection: Connection, site: str | None, limit: int) -> list[Waiting]:
    corrected = select(items.c.id).where(items.c.prediction_id == predictions.c.id).exists()
    query = (
        select(predictions)
        .where(predictions.c.picture_kept, ~corrected)
        .order_by(predictions.c.priority.desc(), predictions.c.id)
        .limit(limit)
    )
    if site is not None:
        query = query.where(predictions.c.site == site)
    return [_prediction(row) for row in connection.execute(query).mappings()]


def _prediction(row: Any) -> Waiting:
    return Waiting(
        kind="prediction",
        label=None,
        predicted=row["label"],
        state=None,
        reason="unlike anything the model was trained on" if row["unlike_training"] else "",
        urgency=row["priority"],
        **{name: row[name] for name in ("id", "image", "site", "uncertainty", "disagreement")},
    )
