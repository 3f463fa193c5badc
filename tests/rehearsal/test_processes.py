"""Commands and processes: what they print, how they fail, and that none outlives the rehearsal."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from hematovision.errors import UsageError
from hematovision.home import Home
from hematovision.rehearsal import processes
from hematovision.rehearsal.processes import Commands, Standing
from hematovision.rehearsal.retrain import printed
from hematovision.rehearsal.story import Story, WentWrong
from hematovision.rehearsal.workplace import Workplace, open_workplace


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return open_workplace(Home(tmp_path / "home"), tmp_path / "work")


def _program(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(processes, "PROGRAM", (sys.executable, "-c", code))


def _gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.02)
    return False


def test_a_command_is_given_its_options_and_read(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, "import json, sys; print('noise'); print(json.dumps({'schema': 1, 'words': sys.argv[1:]}))")
    told = Commands(place, 30).run("schedule", "add", then=("--", "improve"))
    assert told["words"] == ["schedule", "add", "--config", str(place.config), "--json", "--", "improve"]


def test_a_refused_command_says_why_and_where_to_read_on(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import json, sys
print("more of it", file=sys.stderr)
print(json.dumps({"schema": 1, "error": {"kind": "GateRefused", "message": "it needs an approval"}}))
sys.exit(3)
"""
    _program(monkeypatch, code)
    with pytest.raises(WentWrong, match="`promote small/2` ended with 3: it needs an approval") as raised:
        Commands(place, 30).run("promote", "small/2")
    assert raised.value.exit_code == 3
    assert raised.value.log is not None and raised.value.log.read_text() == "more of it\n"


def test_a_command_that_takes_too_long_is_ended_with_its_children(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(place.root / "child")!r}, "w").write(str(child.pid))
time.sleep(600)
"""
    _program(monkeypatch, code)
    with pytest.raises(WentWrong, match="took longer than 2 s"):
        Commands(place, 2).run("run")
    assert _gone(int((place.root / "child").read_text()))


def test_a_process_that_stands_is_ready_when_it_says_so_and_stops(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import json, os, time; print(json.dumps({'schema': 1, 'pid': os.getpid()}), flush=True); time.sleep(600)"
    _program(monkeypatch, code)
    standing = Standing(place, place.logs / "serve.log", "serve", patience=30)
    pid = standing.document["pid"]
    standing.check()
    os.kill(pid, 0)
    standing.stop(patience=5)
    assert _gone(pid)
    with pytest.raises(WentWrong, match="`serve` ended with -15"):
        standing.check()


def test_a_process_that_ends_instead_of_standing_is_told(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(monkeypatch, "import sys; sys.exit(3)")
    with pytest.raises(WentWrong, match="`serve` ended with 3"):
        Standing(place, place.logs / "serve.log", "serve", patience=30)


def test_a_process_that_is_never_ready_is_ended(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    code = f"import os, time; open({str(place.root / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    _program(monkeypatch, code)
    with pytest.raises(WentWrong, match="was not ready"):
        Standing(place, place.logs / "serve.log", "serve", patience=2)
    assert _gone(int((place.root / "pid").read_text()))


def test_no_command_hears_of_the_users_registry_keys_or_runs(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {
        "MLFLOW_TRACKING_URI": "http://registry.example",
        "ZENML_CONFIG_PATH": "/theirs",
        "HEMATOVISION_HOME": "/theirs",
        "HEMATOVISION_KEY": "/theirs/key.pem",
        "HEMATOVISION_SCHEDULE": "nightly",
        "TORCH_HOME": "/weights",
    }
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    told = place.environment()
    assert told["HEMATOVISION_HOME"] == str(place.home.root)
    assert told["TORCH_HOME"] == "/weights"
    assert not [name for name in theirs if name in told and name not in ("HEMATOVISION_HOME", "TORCH_HOME")]


def test_a_folder_with_something_in_it_is_no_place_to_work(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not empty"):
        open_workplace(Home(tmp_path / "home"), tmp_path)


def test_a_failure_names_its_step_and_keeps_its_exit_code(tmp_path: Path) -> None:
    told: list[str] = []
    story = Story(told.append, tmp_path)
    with story.step("The service is started"):
        story.say("It answers.")
    with (
        pytest.raises(
            WentWrong, match=r"Step 2 \(A model is approved\) failed: nobody came\. Read on in .*/7\.log"
        ) as raised,
        story.step("A model is approved"),
    ):
        raise WentWrong("nobody came.", log=tmp_path / "7.log", exit_code=3)
    assert raised.value.exit_code == 3
    assert [(step.title, step.says) for step in story.steps] == [("The service is started", ["It answers."])]
    assert "1. The service is started" in told[0] and "It answers." in told[1]


def test_what_a_scheduled_command_printed_is_found_among_what_else_it_said(tmp_path: Path) -> None:
    log = tmp_path / "firing.log"
    document = {"schema": 1, "improved": True}
    log.write_text(f"== retrain, due now\nWarning: slow\n100 %\r{json.dumps(document)}\nbye\n")
    assert printed(log) == document
    log.write_text("== retrain, due now\n")
    with pytest.raises(WentWrong, match="printed no document"):
        printed(log)
