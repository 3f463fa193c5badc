"""From a trained model to a champion, a challenger that fails, an override and a way back, as a stranger types it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import LENIENT_FLOORS, SMALL, Command, Ended

pytestmark = pytest.mark.slow

POLICY = (
    LENIENT_FLOORS
    + """
against_champion:
  accuracy: {loss: 0.05, margin: null}
  macro_f1: {loss: 0.05, margin: null}
  recall: {loss: 1.0, margin: null}
  set_coverage: {loss: 1.0, margin: null}
  set_size: {loss: 8.0, margin: null}
  ece: {loss: 1.0, margin: null}
review:
  one_login_one_person: false
  dirty_tree: allow
"""
)
TEAM = {"Ben": "pathologist", "Carla": "engineer", "Dora": "head of laboratory"}


def _configuration(folder: Path, name: str, training: dict[str, Any]) -> Path:
    settings = yaml.safe_load(SMALL)
    settings |= {"registry": {"model_name": "story"}, "promotion": {"policy": str(folder / "policy.yaml")}}
    settings["learning"]["training"] |= training
    settings["split"] = {"folds": 2}
    settings["robustness"] = {"cells": 0}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Settings that learn something, and the policy of the story."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    return _configuration(tmp_path, "good", {"frozen": {"epochs": 15}, "fine_tuning": {"epochs": 4, "batch_size": 16}})


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Settings that learn next to nothing."""
    return _configuration(
        tmp_path,
        "bad",
        {"frozen": {"epochs": 1, "learning_rate": 1e-6}, "fine_tuning": {"epochs": 1, "learning_rate": 1e-7}},
    )


def _done(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended.errors
    return ended.document


def _refused(ended: Ended, why: str) -> None:
    assert ended.code == 3, f"{ended.code}: {ended.errors}"
    assert why in ended.document["error"]["message"]


def _enrol(hematovision: Command, folder: Path, good: Path) -> dict[str, Path]:
    keys = {name: folder / f"{name}.pem" for name in TEAM}
    for name, role in TEAM.items():
        made = _done(hematovision("reviewers", "key", name, "--key", keys[name], "--no-passphrase", config=None))
        asked = ("--role", role, "--login", name.lower())
        _done(hematovision("reviewers", "add", made["request"], *asked, config=good))
    return keys


def test_from_a_run_to_a_champion_and_back(
    hematovision: Command, cells: Path, good: Path, bad: Path, tmp_path: Path
) -> None:
    keys = _enrol(hematovision, tmp_path, good)

    def decide(name: str, action: str, model: str, *words: str) -> Ended:
        told = ("--reason", f"{name} looked at it.", "--key", keys[name])
        return hematovision("review", action, model, *told, *words, config=good)

    first = _done(hematovision("run", "--data", cells, config=good))
    assert first["verdict"]["passed"], first["verdict"]
    _refused(hematovision("promote", "story/1", config=good), "needs an approval by a pathologist")
    _done(decide("Ben", "approve", "story/1"))
    _refused(decide("Ben", "approve", "story/1"), "nobody approves twice")
    _done(decide("Carla", "approve", "story/1"))
    assert _done(hematovision("promote", "story/1", config=good))["champion"] == "1"

    second = _done(hematovision("run", "--data", cells, config=bad))
    failed = second["verdict"]["failed"]
    assert failed, "a network that was hardly trained passed every gate"
    _refused(decide("Ben", "approve", "story/2"), "which nobody has overridden")
    _refused(hematovision("promote", "story/2", config=good), "an override of the failed gate")
    _refused(decide("Ben", "override", "story/2", "--gate", failed[0]), "a pathologist may not override")
    for gate in failed:
        _done(decide("Dora", "override", "story/2", "--gate", gate))
    for name in ("Ben", "Carla"):
        _done(decide(name, "approve", "story/2"))
    promoted = _done(hematovision("promote", "story/2", config=good))
    assert (promoted["champion"], promoted["before"]) == ("2", "1")
    assert promoted["overridden"] == sorted(failed)

    back = ("rollback", "--reason", "It mistakes too many.", "--key", keys["Ben"])
    assert _done(hematovision(*back, config=good))["champion"] == "1"
    _refused(hematovision(*back, config=good), "no former champion")
    versions = _done(hematovision("review", "list", config=good))["versions"]
    assert {one["model"]: one["state"] for one in versions} == {"story/1": "champion", "story/2": "waiting"}
    shown = _done(hematovision("review", "show", "story/2", config=good))
    assert {one["content"]["gate"] for one in shown["decisions"] if one["content"]["action"] == "override"} == set(
        failed
    )

    audited = hematovision("audit", "verify", config=good)
    assert audited.code == 0, audited.document
    _verified_by_a_stranger(hematovision, tmp_path, good)


def _verified_by_a_stranger(hematovision: Command, folder: Path, good: Path) -> None:
    """An export, checked by the script it carries, without HematoVision."""
    archive = folder / "export.zip"
    _done(hematovision("audit", "export", archive, config=good))
    script = folder / "verify.py"
    with zipfile.ZipFile(archive) as opened:
        script.write_bytes(opened.read("verify.py"))
    command = [sys.executable, "-I", str(script), str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
