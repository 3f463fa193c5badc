"""People sign inside a pipeline run: ZenML waits, the ledger records, the same rules judge."""

import time
from typing import Any

import pytest

from hematovision.config import load_config
from hematovision.errors import GateRefused, UsageError
from hematovision.promotion.champion import champion
from hematovision.promotion.decisions import SignedDecision
from pipelines.sign_off import POLL_SECONDS, hand_over
from tests.promotion.paper_registry import NAME, Laboratory


class _WhileItWaits:
    """The clock of ZenML's runner: instead of sleeping between two looks, the next person hands in their decision."""

    def __init__(self, decisions: list[SignedDecision]) -> None:
        self.decisions = decisions

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        if seconds == POLL_SECONDS and self.decisions:
            hand_over(self.decisions.pop(0))
        elif seconds != POLL_SECONDS:
            time.sleep(seconds)


def _run(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch, decisions: list[SignedDecision], seconds: int) -> Any:
    from pipelines.execution import execute
    from pipelines.promotion import promotion_pipeline

    monkeypatch.setenv("HEMATOVISION_HOME", str(laboratory.home.root))
    monkeypatch.setattr("zenml.execution.pipeline.dynamic.runner.time", _WhileItWaits(decisions))
    return execute(promotion_pipeline, config=load_config(), model=f"{NAME}/1", seconds=seconds)


def test_a_run_waits_for_two_people_and_promotes(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    version = laboratory.register().version
    ben, carla = (laboratory.sign(name, "approve", version) for name in ("Ben", "Carla"))
    emil = laboratory.sign("Emil", "approve", version)
    finished = _run(laboratory, monkeypatch, [ben, emil, carla], seconds=600)
    outcomes = [finished.artifact(f"record_decision{end}", "outcome") for end in ("", "_2", "_3")]
    assert outcomes[0] == outcomes[2] == "recorded"
    assert "a technician may not approve" in outcomes[1]
    assert champion(laboratory.home, NAME) == version
    assert [one.content.name for one in laboratory.standing(version).of("approve")] == ["Ben", "Carla"]


def test_a_run_is_refused_once_somebody_rejects(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    version = laboratory.register().version
    decisions = [laboratory.sign("Ben", "reject", version, reason="It misses blasts.")]
    with pytest.raises(GateRefused, match="Ben rejected this one"):
        _run(laboratory, monkeypatch, decisions, seconds=600)
    assert laboratory.alias is None


def test_nothing_is_handed_to_nobody(laboratory: Laboratory) -> None:
    version = laboratory.register().version
    with pytest.raises(UsageError, match=f"No pipeline run waits for a decision on {NAME}/{version}"):
        hand_over(laboratory.sign("Ben", "approve", version))
