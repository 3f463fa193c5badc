"""The extraction benchmark: ratios of medians, and both sides run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.extraction import Measured, markdown, summarised
from hematovision.home import PROJECT


def test_the_ratio_is_the_median_of_the_rounds_own() -> None:
    rounds = [Measured(1, 64, number, 100.0 * (number + 1), 90.0 * (number + 1), [0.0]) for number in range(3)]
    told = summarised([*rounds, Measured(1, 64, 3, 100.0, 50.0, [0.0])])
    assert told["ratio"] == pytest.approx(0.9) and told["met"]
    assert not summarised([Measured(1, 64, 0, 100.0, 84.0, [0.0])])["met"]


def test_the_page_says_when_the_machine_was_busy() -> None:
    about = {"processor": "P", "cores": 2, "memory_gib": 8, "system": "S", "load": [0.1, 0, 0], "time": "now"}
    lines = [summarised([Measured(1, 64, 0, 100.0, 84.0, [0.0])])]
    assert "NOT met" in markdown(about, "w", lines) and "Other work" not in markdown(about, "w", lines)
    assert "Other work" in markdown({**about, "load": [2.0, 0, 0]}, "w", lines)


@pytest.mark.slow
def test_both_sides_run(tmp_path: Path) -> None:
    small = ["--rounds", "1", "--seconds", "1", "--pictures", "8", "--views", "2", "--weights", "none"]
    command = [sys.executable, "-m", "benchmarks.extraction", *small, "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (told,) = json.loads((tmp_path / "extraction.json").read_text())["medians"]
    assert told["ours"] > 0 and told["benchmark"] > 0 and told["batch"] == 64
