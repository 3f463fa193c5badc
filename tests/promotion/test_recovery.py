"""What the next start makes of work that ended in the middle; real kills at many points are in test_killing."""

import json

import pytest

from hematovision.promotion import review, verdict
from hematovision.promotion.recovery import recover
from hematovision.promotion.verdict import RECORD, read_verdict
from hematovision.registry.catalogue import read_aliases
from hematovision.registry.mlflow_registry import KEY
from hematovision.registry.unfinished import Work, unfinished
from hematovision.registry.versions import CHALLENGER, client_of
from tests.promotion.paper_registry import NAME, Laboratory


class Cut(Exception):
    """Stands for the end of the process."""


def cut(*_: object, **__: object) -> None:
    raise Cut


def settled(laboratory: Laboratory) -> str:
    told = list(recover(laboratory.home, database=None))
    assert list(recover(laboratory.home, database=None)) == [], "settled once"
    return " ".join(told)


def interrupted_registration(laboratory: Laboratory, run: str) -> None:
    client_of(laboratory.home).set_tag(run, KEY, "k1")
    with pytest.raises(Cut), unfinished(laboratory.home, Work(what="registration", name=NAME, key="k1")):
        raise Cut


def test_a_registration_before_its_run_leaves_nothing(laboratory: Laboratory) -> None:
    with pytest.raises(Cut), unfinished(laboratory.home, Work(what="registration", name=NAME, key="k0")):
        raise Cut
    assert "before anything was written" in settled(laboratory)


def test_a_run_without_a_version_is_ended(laboratory: Laboratory) -> None:
    client = client_of(laboratory.home)
    run = client.create_run(client.create_experiment(NAME)).info.run_id
    interrupted_registration(laboratory, run)
    assert "there is no version of it" in settled(laboratory)
    assert client.get_run(run).info.status == "KILLED"


def test_a_version_without_its_record_is_completed(laboratory: Laboratory) -> None:
    version = laboratory.register(judged=False)
    interrupted_registration(laboratory, version.run_id)
    assert list(laboratory.ledger.records(kind="registration")) == []
    assert "paper/1 was interrupted and is complete now" in settled(laboratory)
    assert [one.subject for one in laboratory.ledger.records(kind="registration")] == ["model:paper/1"]
    assert client_of(laboratory.home).get_run(version.run_id).info.status == "FINISHED"
    assert CHALLENGER not in read_aliases(laboratory.home, NAME), "nobody has judged it"


def test_a_verdict_before_its_record_is_none(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    version = laboratory.register(judged=False)
    with monkeypatch.context() as patch:
        patch.setattr(verdict, "open_ledger", cut)
        with pytest.raises(Cut):
            laboratory.judge("1")
    assert "none is on record" in settled(laboratory)
    assert read_verdict(laboratory.home, NAME, "1") is None and version.document(RECORD) is None
    assert "verdict" not in laboratory.tags("1") and CHALLENGER not in read_aliases(laboratory.home, NAME)


def test_a_verdict_behind_its_record_is_shown(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    version = laboratory.register(judged=False)
    with monkeypatch.context() as patch:
        patch.setattr(verdict, "show_verdict", cut)
        with pytest.raises(Cut):
            laboratory.judge("1", failed=("floor.accuracy",))
    assert "verdict" not in laboratory.tags("1")
    assert "the one on record is failed" in settled(laboratory)
    kept = read_verdict(laboratory.home, NAME, "1")
    assert kept is not None and json.loads(str(version.document(RECORD))) == json.loads(kept.text())
    assert laboratory.tags("1")["gate.floor.accuracy"] == "failed"
    assert read_aliases(laboratory.home, NAME)[CHALLENGER] == "1"


def test_a_decision_behind_its_record_is_shown(laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    laboratory.register()
    strict = laboratory.with_review(approvals=1)
    with monkeypatch.context() as patch:
        patch.setattr(review, "set_tags", cut)
        with pytest.raises(Cut):
            strict.decide("Ben", "approve", "1")
    assert "approvals" not in laboratory.tags("1")
    assert "a decision on paper/1 was interrupted; 1 count" in settled(laboratory)
    assert laboratory.tags("1")["approvals"] == "Ben (pathologist)"
    assert laboratory.tags("1")["standing"] == "approved", "by the policy of whoever decided"


def test_an_older_version_judged_anew_does_not_become_the_challenger(laboratory: Laboratory) -> None:
    for _ in range(2):
        laboratory.register()
    laboratory.judge("1", failed=("floor.accuracy",))
    assert read_aliases(laboratory.home, NAME)[CHALLENGER] == "2"


def test_what_cannot_be_settled_is_told_once(laboratory: Laboratory) -> None:
    work = Work(what="verdict", name=NAME, version="9")
    with pytest.raises(Cut), unfinished(laboratory.home, work):
        raise Cut
    assert "verdict on paper/9 was interrupted and could not be completed" in settled(laboratory)
