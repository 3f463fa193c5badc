"""Feedback in numbers."""

from datetime import datetime
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Integer, cast, func, literal_column, select

from hematovision.feedback.records import State, instant
from hematovision.feedback.tables import items, predictions

Period = Literal["hour", "day"]
_PRECISION: dict[Period, int] = {"day": 10, "hour": 13}
"""Characters of an ISO 8601 time that name a period."""


class Interval(BaseModel):
    """The answers of one hour or day.

    Attributes:
        start: UTC, such as 2026-11-22 or 2026-11-22T09. classes: answers by class. referred, unlike_training: how many
            of the `n` answers were flagged so.
    """

    model_config = ConfigDict(frozen=True)

    start: str = Field(examples=["2026-11-22"])
    n: int = Field(examples=[120])
    classes: dict[str, int] = Field(examples=[{"lymphocyte": 80, "monocyte": 40}])
    referred: int = Field(examples=[9])
    unlike_training: int = Field(examples=[2])


def answers_over_time(connection: Connection, *, since: str | datetime, period: Period) -> list[Interval]:
    """Predictions since a time, by hour or day, the earliest first; periods without any are left out."""
    start = func.substr(predictions.c.time, literal_column("1"), literal_column(str(_PRECISION[period]))).label("start")
    flags = [func.sum(cast(predictions.c[name], Integer)).label(name) for name in ("refer", "unlike_training")]
    query = (
        select(start, predictions.c.label, func.count().label("n"), *flags)
        .where(predictions.c.time >= instant(since))
        .group_by(start, predictions.c.label)
        .order_by(start, predictions.c.label)
    )
    found: dict[str, list[Any]] = {}
    for row in connection.execute(query):
        found.setdefault(row.start, []).append(row)
    return [
        Interval(
            start=name,
            n=sum(row.n for row in rows),
            classes={row.label: row.n for row in rows},
            referred=sum(row.refer for row in rows),
            unlike_training=sum(row.unlike_training for row in rows),
        )
        for name, rows in found.items()
    ]


def counts(connection: Connection) -> dict[str, Any]:
    """Predictions, items by state, accepted cells by class and by site, people who corrected, and `model_right`.

    `model_right {n, right}` counts accepted items that correct or confirm a prediction. People mostly correct what is
    wrong, so it is no accuracy.
    """
    states = dict.fromkeys(get_args(State), 0) | _by(connection, items.c.state)
    accepted = items.c.state == "accepted"
    judged = accepted & items.c.predicted.is_not(None)
    return {
        "predictions": _number(connection, select(func.count()).select_from(predictions)),
        "items": states,
        "accepted_by_class": _by(connection, items.c.label, accepted),
        "accepted_by_site": _by(connection, func.coalesce(items.c.site, ""), accepted),
        "people": _number(connection, select(func.count(func.distinct(items.c.person)))),
        "model_right": {
            "n": _number(connection, select(func.count()).select_from(items).where(judged)),
            "right": _number(
                connection, select(func.count()).select_from(items).where(judged, items.c.predicted == items.c.label)
            ),
        },
    }


def _by(connection: Connection, column: Any, *conditions: Any) -> dict[str, int]:
    rows = connection.execute(select(column, func.count()).where(*conditions).group_by(column).order_by(column))
    return {str(value): int(number) for value, number in rows}


def _number(connection: Connection, query: Any) -> int:
    return int(connection.execute(query).scalar() or 0)
