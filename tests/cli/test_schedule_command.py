"""`hematovision schedule …`: what is kept, what is refused, what it prints."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hematovision.cli.application import app
from hematovision.cli.schedule_conditions import drift_alarm, questions
from hematovision.config import load_config
from hematovision.home import locate_home
from hematovision.ledger import open_ledger
from hematovision.scheduling.schedule import CONDITION_NAMES


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEMATOVISION_HOME", str(tmp_path / "home"))


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Any:
    """A command's exit code and its JSON document."""

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        before = words.index("--") if "--" in words else len(words)
        standard_output = os.dup(1)  # a command keeps it for its result and gives the rest to standard error
        ended = CliRunner().invoke(app, ["schedule", *words[:before], "--json", *words[before:]])
        os.dup2(standard_output, 1)
        os.close(standard_output)
        return ended.exit_code, json.loads(capfd.readouterr().out)

    return run


def test_a_schedule_is_kept_listed_paused_resumed_and_removed(call: Any, tmp_path: Path) -> None:
    words = ["--cron", "0 2 * * 1-5", "--timezone", "Europe/Berlin", "--if-accepted", "20", "--if-drift-alarm", "--any"]
    code, document = call("add", "retrain", *words, "--retries", "4", "--", "run", "--data", "my cells", "--folds", "3")
    kept = document["schedule"]
    assert code == 0
    assert kept["shown"] == "hematovision run --data 'my cells' --folds 3"
    assert kept["conditions"] == [{"name": "accepted_feedback", "limit": 20}, {"name": "drift_alarm", "limit": 1}]
    assert (kept["any_condition"], kept["retries"], kept["folder"]) == (True, 4, str(Path.cwd()))
    assert datetime.fromisoformat(kept["next_due"]) > datetime.now(UTC)
    assert call("list")[1]["schedules"] == [{**kept, "last": None}]
    assert call("pause", "retrain")[1]["schedule"]["paused"]
    assert not call("resume", "retrain")[1]["schedule"]["paused"]
    assert call("remove", "retrain")[1]["removed"]["name"] == "retrain"
    assert call("list")[1]["schedules"] == []
    code, document = call("pause", "retrain")
    assert code == 2 and "no schedule named 'retrain'" in document["error"]["message"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--every", "1h", "--", "rnu"], "'rnu' is no command"),
        (["--every", "1h", "--", "run", "--foldz", "3"], "No such option: --foldz"),
        (["--every", "1h", "--", "run", "--folds", "1"], "--folds"),
        (["--every", "1h", "--", "predict", "x.png"], "--model"),
        (["--every", "1h", "--", "run", "--help"], "shows help"),
        (["--every", "1h", "--", "data"], "is no command"),
        (["--every", "1h", "--", "schedule", "list"], "does not change schedules"),
        (["--every", "1h", "--", "review", "approve"], "a person decides"),
        (["--every", "1h", "--", "ui"], "until it is stopped"),
        (["--every", "1h", "--", "run; rm -rf /"], "no command of hematovision"),
        (["--", "run"], "Say when"),
        (["--every", "1h", "--cron", "* * * * *", "--", "run"], "Say when"),
        (["--every", "soon", "--", "run"], "is no time"),
        (["--cron", "0 25 * * *", "--", "run"], "no crontab line"),
        (["--cron", "0 3 31 2 *", "--", "run"], "ever comes"),
        (["--cron", "0 3 * * *", "--timezone", "Mars", "--", "run"], "no time zone"),
        (["--cron", "0 3 * * *", "--engine", "zenml", "--if-drift-alarm", "--", "run"], "--engine embedded"),
        (["--cron", "0 3 * * *", "--engine", "zenml", "--timezone", "Asia/Tokyo", "--", "run"], "in UTC"),
    ],
)
def test_what_cannot_be_kept_is_refused_when_it_is_added(call: Any, words: list[str], says: str) -> None:
    code, document = call("add", "wrong", *words)
    assert code == 2 and says in document["error"]["message"]
    assert call("list")[1]["schedules"] == []


def test_a_name_is_given_once_and_goes_into_a_path(call: Any) -> None:
    assert call("add", "a", "--every", "1h", "--", "backbones")[0] == 0
    assert "already" in call("add", "a", "--every", "1h", "--", "backbones")[1]["error"]["message"]
    assert call("add", "../a", "--every", "1h", "--", "backbones")[0] == 2


def test_status_fails_where_no_daemon_lives(call: Any) -> None:
    code, document = call("daemon", "--status")
    assert code == 1 and not document["healthy"] and "No daemon is alive" in document["problems"][0]


def test_every_condition_can_be_asked() -> None:
    config = load_config()
    asked = questions(config)
    assert set(asked) == set(CONDITION_NAMES)
    assert not asked["accepted_feedback"](1, None).met
    assert "0 of 1 corrections" in asked["accepted_feedback"](1, None).says


def test_a_drift_alarm_stands_until_it_is_cleared_or_answered() -> None:
    config = load_config()
    ledger = open_ledger(locate_home(), config.records.database)
    assert not drift_alarm(config, None).met
    ledger.append("alarm", "model:m/1", {"what": "alias moved", "found": "2", "recorded": "1"})
    assert not drift_alarm(config, None).met, "another kind of alarm"
    raised = ledger.append("alarm", "model:m/1", {"what": "drift", "state": "raised"})
    moment = datetime.fromisoformat(raised.time)
    assert drift_alarm(config, None).met and "model:m/1" in drift_alarm(config, None).says
    assert drift_alarm(config, moment - timedelta(seconds=1)).met
    assert not drift_alarm(config, moment + timedelta(seconds=1)).met
    ledger.append("alarm", "model:m/1", {"what": "drift", "state": "cleared"})
    assert not drift_alarm(config, None).met


def test_each_model_and_site_has_an_alarm_and_former_champions_none() -> None:
    config = load_config()
    ledger = open_ledger(locate_home(), config.records.database)

    def alarm(version: int, state: str, site: str) -> None:
        ledger.append("alarm", f"model:hematovision/{version}", {"what": "drift", "state": state, "site": site})

    alarm(1, "raised", "north")
    alarm(1, "cleared", "south")
    assert drift_alarm(config, None).met, "another site's calm clears nothing"
    assert "at north" in drift_alarm(config, None).says
    for number, (before, after) in enumerate([(None, "1"), ("1", "2")]):
        move = {"stage": "done", "move": str(number), "name": "hematovision", "before": before, "after": after}
        ledger.append("promotion", f"model:hematovision/{after}", move)
        assert drift_alarm(config, None).met == (after == "1")
    alarm(2, "raised", "north")
    assert drift_alarm(config, None).met
    ledger.append("alarm", "model:hematovision/2", {"what": "drift baseline", "site": "north"})
    alarm(2, "cleared", "north")
    assert not drift_alarm(config, None).met


@pytest.mark.slow
def test_two_daemons_of_the_command_line_run_each_due_time_once_and_stop_when_told(tmp_path: Path) -> None:
    """The real thing: two daemons, a real command that writes a folder, SIGTERM at the end."""
    quick = tmp_path / "quick.yaml"
    quick.write_text("scheduling: {tick_seconds: 0.2, stop_seconds: 60, at_once: 2}\n")
    program = [sys.executable, "-m", "hematovision", "schedule"]
    config = ["--config", str(quick)]

    def told(*words: str) -> dict[str, Any]:
        done = subprocess.run([*program, *words, *config, "--json"], capture_output=True, text=True, check=False)
        return dict(json.loads(done.stdout))

    command = ["data", "generate", str(tmp_path / "cells"), "--slides", "1", "--cells", "1"]
    added = [*program, "add", "write", "--every", "1s", "--retries", "0", *config, "--", *command]
    subprocess.run(added, check=True, capture_output=True)
    daemons = [subprocess.Popen([*program, "daemon", *config], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended: list[dict[str, Any]] = []
    while not ended:
        ended = [row for row in told("history", "--most", "1000")["firings"] if row["exit_code"] is not None]
    for daemon in daemons:
        daemon.send_signal(signal.SIGTERM)
    said = [daemon.communicate(timeout=300)[1] for daemon in daemons]
    assert [daemon.returncode for daemon in daemons] == [0, 0], said
    rows = told("history", "--most", "1000")["firings"]
    begun = [row for row in rows if row["attempts"]]
    assert all(row["attempts"] == 1 for row in begun)
    assert len({row["due"] for row in rows}) == len(rows)
    logs = [Path(row["log"]).read_text() for row in begun]
    assert all(log.count("== write, due") == 1 for log in logs)
    assert not told("daemon", "--status")["daemons"]
    assert (tmp_path / "cells").is_dir()
