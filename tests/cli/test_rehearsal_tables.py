"""What a person reads at the end of `hematovision loop`: every promise with whether it was kept."""

from typing import Any

import pytest
from rich.console import Console

from hematovision.cli.rehearsal_tables import show_loop


def _standing(version: str, site_a: float, site_b: float) -> dict[str, Any]:
    sites = {"site_a": site_a, "site_b": site_b}
    return {"version": version} | {
        site: {"n": 104, "accuracy": {"value": value, "low": value - 0.05, "high": value + 0.01}}
        for site, value in sites.items()
    }


@pytest.fixture
def document() -> dict[str, Any]:
    return {
        "before": _standing("1", 0.981, 0.548),
        "after": _standing("2", 0.971, 0.923),
        "gain": {"site_a": -0.01, "site_b": 0.375},
        "watched": [
            {"n": 176, "signals": ["brightness", "embedding"]},
            {"n": 72, "signals": []},
        ],
        "alarm_raised": True,
        "alarm_cleared": True,
        "started_by": "schedule",
        "corrections": {"given": 160, "wrong": 72, "accepted": 160},
        "requests": 2000,
        "dropped_requests": 0,
        "slowest_seconds": 0.4,
        "synthetic": True,
        "steps": [{"title": f"Step {n}", "seconds": 10.0 * n} for n in range(1, 15)],
        "seconds": 305.4,
        "folder": "/srv/rehearsal",
    }


def _shown(document: dict[str, Any]) -> str:
    console = Console(width=120)
    with console.capture() as captured:
        show_loop(console, document)
    return captured.get()


def test_every_promise_that_was_kept_is_ticked(document: dict[str, Any]) -> None:
    shown = _shown(document)
    assert shown.count("✓") == 4 and "✗" not in shown
    assert "54.8% (49.8% to 55.8%)" in shown and "+37.5" in shown and "-1.0" in shown
    assert "2000 requests, none without an answer" in shown
    assert "nothing about real cells" in shown
    assert "5 min 5 s in all, most of it step 14 (2 min 20 s) and step 13 (2 min 10 s)." in shown


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"dropped_requests": 3}, "✗ 2000 requests, 3 without an answer"),
        ({"started_by": "person"}, "✗ Retrain started by the person"),
        ({"alarm_raised": False}, "✗ Drift alarm not raised"),
        (
            {"alarm_cleared": False, "watched": [{"n": 176, "signals": []}, {"n": 72, "signals": ["contrast"]}]},
            "✗ Drift alarm still raised by contrast: 72 later cells",
        ),
    ],
)
def test_a_promise_that_was_broken_stands_out(document: dict[str, Any], broken: dict[str, Any], words: str) -> None:
    shown = _shown(document | broken)
    assert words in shown and shown.count("✓") == 3
