"""`reviewers` and `audit` from the command line: documents, exit codes, and what they say."""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hematovision.home import Home
from hematovision.ledger import open_ledger

KEYS = ("HEMATOVISION_KEY", "HEMATOVISION_KEY_PASSPHRASE", "MLFLOW_TRACKING_URI")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("HEMATOVISION_HOME", str(tmp_path / "home"))
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    return Home(tmp_path / "home")


def told(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    from hematovision.cli.application import app

    capfd.readouterr()
    stdout = os.dup(1)  # a command keeps standard output for itself
    code = CliRunner().invoke(app, [*arguments, "--json"]).exit_code
    os.dup2(stdout, 1)
    os.close(stdout)
    out = capfd.readouterr().out
    return code, json.loads(out) if out else {}


def enrol(capfd: pytest.CaptureFixture[str], tmp_path: Path, name: str, *more: str) -> dict[str, Any]:
    key = str(tmp_path / f"{name}.pem")
    code, made = told(capfd, "reviewers", "key", name, "--no-passphrase", "--key", key)
    assert code == 0 and made["made"]
    code, added = told(capfd, "reviewers", "add", made["request"], *more)
    assert code == 0, added
    return added


def test_a_key_a_reviewer_and_an_end(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ada = enrol(capfd, tmp_path, "Ada", "--role", "pathologist", "--role", "lead", "--login", "ada")
    assert (ada["roles"], ada["login"], ada["revoked"]) == (["lead", "pathologist"], "user:ada", False)
    assert told(capfd, "reviewers", "revoke", "Ada", "--reason", "left")[0] == 0
    code, listed = told(capfd, "reviewers", "list")
    assert (code, listed["reviewers"][0]["revoked"], listed["administered"]) == (0, True, False)
    code, refused = told(capfd, "reviewers", "revoke", "Ada", "--reason", "again")
    assert code == 2 and "no single valid key" in refused["error"]["message"]


def test_an_administrators_key_is_asked_for(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(capfd, tmp_path, "Boss", "--role", "administrator")
    _, made = told(capfd, "reviewers", "key", "Ada", "--no-passphrase", "--key", str(tmp_path / "Ada.pem"))
    monkeypatch.setenv("HEMATOVISION_KEY", str(tmp_path / "none.pem"))
    assert told(capfd, "reviewers", "add", made["request"], "--role", "lead")[0] == 2
    monkeypatch.setenv("HEMATOVISION_KEY", str(tmp_path / "Ada.pem"))
    assert told(capfd, "reviewers", "add", made["request"], "--role", "lead")[0] == 2
    monkeypatch.setenv("HEMATOVISION_KEY", str(tmp_path / "Boss.pem"))
    code, added = told(capfd, "reviewers", "add", made["request"], "--role", "lead")
    assert (code, added["name"]) == (0, "Ada")


def test_a_passphrase_comes_from_the_environment_or_is_missed(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = str(tmp_path / "key.pem")
    code, refused = told(capfd, "reviewers", "key", "Ada", "--key", key)
    assert code == 2 and "HEMATOVISION_KEY_PASSPHRASE" in refused["error"]["message"]
    monkeypatch.setenv("HEMATOVISION_KEY_PASSPHRASE", "secret")
    code, made = told(capfd, "reviewers", "key", "Ada", "--key", key)
    assert code == 0 and "ENCRYPTED" in Path(key).read_text()
    assert "secret" not in json.dumps(made) + Path(made["request"]).read_text()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": "x"}', "[" * 100_000])
def test_a_request_that_is_none_is_refused(capfd: pytest.CaptureFixture[str], tmp_path: Path, content: str) -> None:
    (tmp_path / "request.json").write_text(content)
    code, refused = told(capfd, "reviewers", "add", str(tmp_path / "request.json"), "--role", "lead")
    assert code == 2 and "no request" in refused["error"]["message"]


def test_an_audit_of_nothing_and_of_something(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert told(capfd, "audit", "verify") == (
        0,
        {"schema": 1, "verified": True, "records": 0, "head": "0" * 64, "artifacts": 0, "ledger_only": False,
         "installations": [], "findings": []},
    )  # fmt: skip
    assert told(capfd, "audit", "export", str(tmp_path / "x.zip"))[0] == 2
    enrol(capfd, tmp_path, "Ada", "--role", "lead")
    code, verified = told(capfd, "audit", "verify")
    assert (code, verified["verified"], verified["records"]) == (0, True, 2)


def test_an_altered_ledger_ends_with_three(capfd: pytest.CaptureFixture[str], tmp_path: Path, home: Home) -> None:
    enrol(capfd, tmp_path, "Ada", "--role", "lead")
    code, exported = told(capfd, "audit", "export", str(tmp_path / "x.zip"))
    assert (code, exported["records"], exported["findings"]) == (0, 2, 0)
    with sqlite3.connect(home.databases / "ledger.db") as database:
        database.execute("UPDATE ledger_records SET actor = 'user:other' WHERE number = 2")
    code, verified = told(capfd, "audit", "verify", "--earlier", str(tmp_path / "x.zip"))
    assert code == 3 and not verified["verified"]
    assert {finding["code"] for finding in verified["findings"]} == {"digest", "rewritten"}
    assert all(finding["says"] for finding in verified["findings"])


def test_the_artifacts_of_the_home_are_measured(capfd: pytest.CaptureFixture[str], home: Home) -> None:
    from hematovision.ledger.artifacts import file_digest

    home.golden.mkdir(parents=True)
    table = home.golden / "golden.csv"
    table.write_text("path\n")
    named = {"golden": {"sha256": file_digest(table), "uri": "home:golden/golden.csv"}}
    open_ledger(home, None).append("evaluation", "model-digest:ab", {"artifacts": named})
    assert told(capfd, "audit", "verify")[1]["artifacts"] == 1
    table.write_text("path\nother.png\n")
    code, verified = told(capfd, "audit", "verify")
    assert code == 3 and verified["findings"][0]["code"] == "artifact"
    assert told(capfd, "audit", "verify", "--ledger-only")[0] == 0


def test_a_report_shows_its_period(capfd: pytest.CaptureFixture[str], home: Home, tmp_path: Path) -> None:
    ledger = open_ledger(home, None)
    ledger.append("alarm", "model:a/1", {"what": "<script>alert(1)</script>"})
    code, reported = told(capfd, "audit", "report", "--since", "2000-01-01", "--output", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert (code, reported["records"], reported["findings"]) == (0, 2, 0)
    assert "Everything holds" in page and "<script>alert" not in page and "http" not in page.replace("https://", "")
    code, reported = told(capfd, "audit", "report", "--until", "2000-01-01")
    assert (code, reported["records"]) == (0, 0)
    assert Path(reported["report"]).name == "audit-start-to-2000-01-01.html"
    code, refused = told(capfd, "audit", "report", "--since", "yesterday")
    assert code == 2 and "no date" in refused["error"]["message"]
