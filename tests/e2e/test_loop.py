"""`hematovision loop` as a user types it: what it refuses, and that it leaves nothing running."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
PROGRAM = [sys.executable, "-m", "hematovision", "loop", "--json"]


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
    frozen: {epochs: 20}
    fine_tuning: {epochs: 15, batch_size: 16}
evaluation: {resamples: 100}
robustness: {cells: 0}
monitoring: {resamples: 300}
serving: {poll_seconds: 2}
scheduling: {stop_seconds: 5}
rehearsal: {slides_a: 16, slides_b: 14, per_class: 5, pause_seconds: 0.5}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Settings that read and train little."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
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
