"""Feedback in numbers."""

from typing import Any, get_args

from sqlalchemy import Connection, func, select

from hematovision.feedback.records import State
from hematovision.feedback.tables import items, predictions


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
