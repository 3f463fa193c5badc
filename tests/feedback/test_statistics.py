"""Answers counted by class over time."""

from collections.abc import Callable
from typing import Any

from hematovision.feedback.records import Prediction
from hematovision.feedback.store import FeedbackStore
from tests.feedback.cells import tiny


def test_answers_are_counted_by_hour_or_day(store: FeedbackStore, predicted: Callable[..., Prediction]) -> None:
    given: list[tuple[str, str, dict[str, Any]]] = [
        ("2026-11-19T23:59:59.999999+00:00", "monocyte", {}),
        ("2026-11-20T00:00:00.000000+00:00", "monocyte", {"refer": True}),
        ("2026-11-20T00:40:00.000000+00:00", "lymphocyte", {"refer": True, "unlike_training": True}),
        ("2026-11-20T07:00:00.000000+00:00", "monocyte", {}),
        ("2026-11-22T07:00:00.000000+00:00", "monocyte", {}),
    ]
    store.keep_predictions([(predicted(tiny(1), label, time=time, **said), None) for time, label, said in given])
    days = store.answers_over_time(since="2026-11-20", period="day")
    assert [(day.start, day.n, day.classes, day.referred, day.unlike_training) for day in days] == [
        ("2026-11-20", 3, {"lymphocyte": 1, "monocyte": 2}, 2, 1),
        ("2026-11-22", 1, {"monocyte": 1}, 0, 0),
    ]
    hours = store.answers_over_time(since="2026-11-19T23:00", period="hour")
    assert [(hour.start, hour.n) for hour in hours] == [
        ("2026-11-19T23", 1),
        ("2026-11-20T00", 2),
        ("2026-11-20T07", 1),
        ("2026-11-22T07", 1),
    ]


def test_nothing_answered_is_nothing_counted(store: FeedbackStore) -> None:
    assert store.answers_over_time(since="2026-11-20", period="day") == []
