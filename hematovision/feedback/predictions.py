"""Predictions in the database: written in batches, read as records or as a table."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, RowMapping, insert, select, update

from hematovision.feedback.records import Prediction, Shadow, instant
from hematovision.feedback.tables import predictions
from hematovision.feedback.urgency import urgency

_AT_ONCE = 500
_DERIVED = ("picture_kept", "confidence", "uncertainty", "disagreement", "priority")


def insert_predictions(connection: Connection, kept: Sequence[tuple[Prediction, bool]]) -> int:
    """Write new predictions, each with whether its picture is kept; how many. IntegrityError where one is known."""
    rows = {prediction.id: _row(prediction, picture) for prediction, picture in kept}
    if rows:
        connection.execute(insert(predictions), list(rows.values()))
    return len(rows)


def unknown(connection: Connection, kept: Sequence[tuple[Prediction, bool]]) -> list[tuple[Prediction, bool]]:
    """Those of the given predictions that are not in the database."""
    known: set[str] = set()
    ids = [prediction.id for prediction, _ in kept]
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        known.update(connection.scalars(select(predictions.c.id).where(predictions.c.id.in_(some))))
    return [(prediction, picture) for prediction, picture in kept if prediction.id not in known]


def add_shadow(connection: Connection, prediction_id: str, shadow: Shadow) -> None:
    """Lay what a challenger said beside a kept prediction; nothing happens where there is none."""
    found = find_prediction(connection, prediction_id)
    if found is not None:
        row = _row(found[0].model_copy(update={"shadow": shadow}), found[1])
        changed = {name: row[name] for name in ("disagreement", "priority")} | {"shadow": shadow.model_dump()}
        connection.execute(update(predictions).where(predictions.c.id == prediction_id).values(changed))


def find_prediction(connection: Connection, prediction_id: str) -> tuple[Prediction, bool] | None:
    """A prediction by its id, and whether its picture is kept."""
    row = connection.execute(select(predictions).where(predictions.c.id == prediction_id)).mappings().first()
    return None if row is None else (record_of(row), bool(row["picture_kept"]))


def record_of(row: RowMapping) -> Prediction:
    """The prediction a row holds."""
    return Prediction.model_validate({name: row[name] for name in Prediction.model_fields})


def prediction_table(
    connection: Connection,
    *,
    since: str | datetime | None = None,
    model: str | None = None,
    site: str | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """The latest predictions in the order they were given: the fields of `Prediction` and what follows from them.

    `probabilities` and `shadow` are mappings, `set` a list; `confidence` is the largest probability, `uncertainty`,
    `disagreement` (0–1) and their sum `priority` are what the review queue goes by.
    """
    wanted = [predictions.c[name] for name in (*Prediction.model_fields, *_DERIVED)]
    query = select(*wanted).order_by(predictions.c.time.desc(), predictions.c.id.desc()).limit(limit)
    if since is not None:
        query = query.where(predictions.c.time >= instant(since))
    if model is not None:
        query = query.where(predictions.c.model == model)
    if site is not None:
        query = query.where(predictions.c.site == site)
    rows = connection.execute(query).all()
    return pd.DataFrame(rows[::-1], columns=[column.name for column in wanted])


def _row(prediction: Prediction, picture_kept: bool) -> dict[str, Any]:
    unsure, differing = urgency(prediction)
    return {
        **prediction.model_dump(),
        "picture_kept": picture_kept,
        "confidence": max(prediction.probabilities.values(), default=0.0),
        "uncertainty": unsure,
        "disagreement": differing,
        "priority": unsure + differing,
    }
