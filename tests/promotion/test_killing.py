"""`kill -9` at any moment of a move leaves the old champion or the new one, and the next start clears up."""

import json
import os
import subprocess
import sys
from pathlib import Path

from hematovision.home import PROJECT

POINTS = 24


def test_a_kill_leaves_the_old_champion_or_the_new_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.promotion.killing", str(tmp_path), str(POINTS)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=os.environ, timeout=900)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["problems"] == []
    assert told["killed"] >= POINTS - 3
    assert set(told["outcomes"]) == {"old", "new"}, "kills on both sides of the moment that decides"
