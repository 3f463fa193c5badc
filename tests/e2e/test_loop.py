"""The whole loop in one command, as a user types it; what it refuses, and that it leaves nothing running."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hematovision.home import Home
from hematovision.ledger import open_ledger
from tests.e2e.conftest import LENIENT_FLOORS

pytestmark = pytest.mark.slow
PROGRAM = [sys.executable, "-m", "hematovision", "loop", "--json"]
LENIENT = f"""{LENIENT_FLOORS}
against_champion:
  accuracy: {{loss: 1.0, margin: null}}
  macro_f1: {{loss: 1.0, margin: null}}
  recall: {{loss: 1.0, margin: null}}
  set_coverage: {{loss: 1.0, margin: null}}
  set_size: {{loss: 8.0, margin: null}}
  ece: {{loss: 1.0, margin: null}}
  latency: {{ratio: null, rounds: 3}}
review: {{approvals: 1, one_login_one_person: false, dirty_tree: allow}}
"""
"""So few cells carry no other limits: what counts is that everything happens, in order, and helps the new site."""
TINY = """
seed: 17
synthetic: {seed: 2031, image_size: 96, cells_per_class_per_slide: 1}
validation: {min_images_per_class: 3}
split: {golden_fraction: 0.25, folds: 2}
learning:
  orientations: 1
  backbone: {image_size: 96}
  augmentation: {views: 4}
  training:
    frozen: {epochs: 15}
    fine_tuning: {epochs: 8, batch_size: 16}
evaluation: {resamples: 100}
robustness: {cells: 0}
monitoring: {resamples: 300}
serving: {poll_seconds: 2}
scheduling: {stop_seconds: 5}
rehearsal: {slides_a: 16, slides_b: 14, per_class: 5, pause_seconds: 0.5, every_seconds: 5}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Settings that read and train little."""
    policy, path = tmp_path / "policy.yaml", tmp_path / "tiny.yaml"
    policy.write_text(LENIENT)
    path.write_text(f"{TINY}promotion: {{policy: {policy}}}\n")
    return path


def _processes_in(folder: Path) -> list[str]:
    """Command lines of living processes that name a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(folder) in line:
                found.append(line)
    return found


def test_everything_happens_in_order_and_is_on_record(tiny: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    command = [*PROGRAM, "--config", str(tiny), "--work", str(work)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["schema"] == 1 and told["synthetic"]
    assert told["alarm_raised"] and told["started_by"] == "schedule" and told["alarm_cleared"]
    assert told["requests"] > sum(told["cells"].values()) and told["dropped_requests"] == 0, told["dropped"]
    assert told["versions"] == ["1", "2"] == [told["before"]["version"], told["after"]["version"]]
    assert told["corrections"]["accepted"] == told["corrections"]["given"] - told["corrections"]["refused"] >= 30
    for when in ("before", "after"):
        assert told[when]["site_a"]["n"] == told["cells"]["site_a_held_out"]
        assert told[when]["site_b"]["n"] == told["cells"]["site_b_held_out"]
    assert told["gain"]["site_b"] > 0.1, "people's corrections made it better where they came from"
    assert not _processes_in(work), "a process outlived the loop"
    records = list(open_ledger(Home(work / "home"), None).records())
    assert [one.content["started_by"] for one in records if one.kind == "retrain"] == ["schedule"]
    assert [one.content["state"] for one in records if one.content.get("what") == "drift"] == ["raised", "cleared"]
    assert len([one for one in records if one.kind == "decision"]) == 2


def test_told_to_stop_it_stops_what_it_started(tiny: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    with (tmp_path / "err").open("wb") as errors:
        process = subprocess.Popen(
            [*PROGRAM, "--config", str(tiny), "--work", str(work)], stdout=errors, stderr=errors, cwd=tmp_path
        )
        deadline = time.monotonic() + 600
        while not list((work / "logs").glob("*-run-*.log")) and time.monotonic() < deadline:
            assert process.poll() is None, (tmp_path / "err").read_text()
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 130
    assert not _processes_in(work), "a process outlived the loop"


def test_one_site_alone_is_wrong_usage(tmp_path: Path) -> None:
    done = subprocess.run([*PROGRAM, "--site-a", "x"], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 2 and "both sites" in json.loads(done.stdout)["error"]["message"]
