"""Processes of the scheduler killed at random moments: no due time lost, no command run twice over."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest


def _killed(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scheduler_kills", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def test_killed_daemons_never_double_a_run() -> None:
    """Two daemons on one store; one of them is killed, twelve times over."""
    found = _killed("--kills", "12", "--daemons-only")
    assert found["states"]["done"] >= 1
    assert (found["due_times_lost"], found["overlaps"], found["done_without_an_end"]) == (0, 0, 0)
    assert (found["begun_more_than_once"], found["ends_beyond_the_first"]) == (0, 0)
    assert found["attempts"] == found["states"]["done"]


@pytest.mark.parametrize("seed", ["1", "2"])
def test_killed_runs_are_taken_up_again(seed: str) -> None:
    """Daemons, keepers and commands, ten kills each time."""
    found = _killed("--kills", "10", "--seed", seed)
    assert set(found["states"]) <= {"done", "skipped"}, "every firing has come to its end"
    assert (found["due_times_lost"], found["overlaps"], found["done_without_an_end"]) == (0, 0, 0)
    assert found["begun_more_often_than_noted"] == 0
    assert found["ends_beyond_the_first"] <= sum(found["kills"].get(kind, 0) for kind in ("keeper", "command"))
