"""The whole loop in one command, as a user types it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from hematovision.home import CONFIGS, Home
from hematovision.ledger import open_ledger

pytestmark = pytest.mark.slow
PROGRAM = [sys.executable, "-m", "hematovision", "loop", "--json"]


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """The shipped settings, with fewer slides."""
    settings = yaml.safe_load((CONFIGS / "loop.yaml").read_text())
    settings["rehearsal"] |= {"slides_a": 36, "slides_b": 36, "per_class": 12}
    path = tmp_path / "short.yaml"
    path.write_text(yaml.safe_dump(settings))
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


def test_corrections_of_another_scanner_come_back_as_a_better_champion(short: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    command = [*PROGRAM, "--config", str(short), "--work", str(work)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["schema"] == 1 and told["synthetic"]
    assert told["alarm_raised"] and told["alarm_cleared"]
    assert told["started_by"] == "schedule"
    assert told["requests"] > 300 and told["dropped_requests"] == 0, told["dropped"]
    assert told["versions"] == ["1", "2"] == [told["before"]["version"], told["after"]["version"]]
    assert told["corrections"]["accepted"] == 12 * 8 == told["corrections"]["given"] - told["corrections"]["refused"]
    before, after = ({site: told[when][site] for site in ("site_a", "site_b")} for when in ("before", "after"))
    assert before["site_a"]["n"] == after["site_a"]["n"] == told["cells"]["site_a_held_out"]
    assert told["gain"]["site_b"] >= 0.10, told
    assert told["gain"]["site_a"] >= -0.05, told
    assert not _processes_in(work), "a process outlived the loop"
    records = list(open_ledger(Home(work / "home"), None).records())
    assert [one.content["started_by"] for one in records if one.kind == "retrain"] == ["schedule"]
    assert [one.content["state"] for one in records if one.content.get("what") == "drift"] == ["raised", "cleared"]
    assert len([one for one in records if one.kind == "decision"]) == 4


def test_told_to_stop_it_stops_what_it_started(short: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    with (tmp_path / "err").open("wb") as errors:
        process = subprocess.Popen(
            [*PROGRAM, "--config", str(short), "--work", str(work)], stdout=errors, stderr=errors, cwd=tmp_path
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
