"""`kill -9` at any moment leaves one champion and nothing half-written once the next start has cleared up."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hematovision.home import PROJECT


def killed(folder: Path, points: int, which: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.promotion.killing", str(folder), str(points), which]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=os.environ, timeout=900)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert told["problems"] == []
    assert told["killed"] >= points - 2
    return told


@pytest.mark.slow
def test_a_killed_move_leaves_the_old_champion_or_the_new_one(tmp_path: Path) -> None:
    left = killed(tmp_path, 18, "moves")["outcomes"]
    assert {outcome for counts in left.values() for outcome in counts} == {"old", "new"}, "both sides of what decides"


@pytest.mark.slow
def test_a_killed_registration_leaves_no_version_or_a_whole_one(tmp_path: Path) -> None:
    left = killed(tmp_path, 3, "registrations")["outcomes"]["a registration"]
    assert len(left) >= 2, "both sides of what decides"


@pytest.mark.slow
def test_after_a_killed_decision_tags_and_card_say_what_the_ledger_says(tmp_path: Path) -> None:
    killed(tmp_path, 6, "decisions")
