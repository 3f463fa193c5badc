"""`hematovision feedback …` from a picture on disk to a data set, with one person's word and another's."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hematovision.cli.application import app
from hematovision.home import Home
from hematovision.ledger import add_reviewer, create_key, key_request, load_key, open_ledger
from tests.feedback.cells import tiny


def sign_in(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The login is the operating system's, not an environment variable's; a test can only put another in its place."""
    monkeypatch.setattr("hematovision.cli.feedback.requester", lambda: f"user:{name}")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("HEMATOVISION_HOME", str(tmp_path / "home"))
    sign_in(monkeypatch, "ann")
    return Home(tmp_path / "home")


def told(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """The document a command prints; it writes to the descriptor itself, past the runner."""
    capfd.readouterr()
    standard_output = os.dup(1)
    result = CliRunner().invoke(app, ["feedback", *arguments, "--json"])
    os.dup2(standard_output, 1)
    os.close(standard_output)
    assert result.exit_code == code, result.output
    return json.loads(capfd.readouterr().out)


def submitted(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> str:
    (tmp_path / "cell.png").write_bytes(tiny(1))
    asked = ("submit", "--image", str(tmp_path / "cell.png"), "--label", "monocyte", "--site", "north", "--slide", "S1")
    first = told(capfd, *asked)["item"]
    assert told(capfd, *asked)["item"] == first
    assert (first["by"], first["state"]) == ("user:ann", "pending")
    return str(first["id"])


def test_two_people_agree_and_the_cell_is_exported(
    home: Home, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    item = submitted(capfd, tmp_path)
    assert "somebody else" in told(capfd, "accept", item, code=3)["error"]["message"]
    for person, state in (("bob", "pending"), ("cat", "accepted")):
        sign_in(monkeypatch, person)
        assert [one["id"] for one in told(capfd, "queue")["queue"]] == [item]
        assert told(capfd, "accept", item)["items"][0]["state"] == state
    assert told(capfd, "queue")["queue"] == []
    shown = told(capfd, "show", item)
    assert [event["by"] for event in shown["history"]] == ["user:ann", "user:bob", "user:cat"]
    assert told(capfd, "export", str(tmp_path / "out"))["n"] == 1
    assert told(capfd, "stats")["accepted_by_class"] == {"monocyte": 1}
    imported = told(capfd, "import", str(tmp_path / "out" / "manifest.csv"))
    assert (len(imported["items"]), imported["refused"]) == (1, [])
    assert [one["id"] for one in told(capfd, "list", "--state", "accepted")["items"]] == [item]


def test_a_senior_is_who_holds_a_registered_key(
    home: Home, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    item = submitted(capfd, tmp_path)
    sign_in(monkeypatch, "eve")
    path = tmp_path / "key.pem"
    monkeypatch.setenv("HEMATOVISION_KEY", str(path))
    assert "There is no key" in told(capfd, "accept", item, "--senior", code=2)["error"]["message"]
    create_key(path, None)
    assert "not registered" in told(capfd, "accept", item, "--senior", code=3)["error"]["message"]
    request = key_request(load_key(path, None), "Dr Eve")
    add_reviewer(open_ledger(home, None), request, ["pathologist"], actor="user:eve")
    sign_in(monkeypatch, "ann")
    assert "user:ann made" in told(capfd, "accept", item, "--senior", code=3)["error"]["message"]
    sign_in(monkeypatch, "eve")
    done = told(capfd, "reject", item, "--senior")
    assert (done["by"], done["role"], done["items"][0]["state"]) == ("Dr Eve", "pathologist", "rejected")


def test_what_is_wrong_is_told(home: Home, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cell.png").write_bytes(tiny(1))
    for arguments, code, reason in (
        (("show", "nosuch"), 2, "no feedback item nosuch"),
        (("submit", "--label", "monocyte"), 2, "does neither"),
        (("submit", "--label", "../x", "--image", str(tmp_path / "cell.png")), 2, "label: must begin with"),
        (("submit", "--label", "monocyte", "--image", str(tmp_path / "none.png")), 2, "missing"),
        (("export", str(tmp_path / "out"), "--since", "yesterday"), 2, "no time such as"),
        (("export", str(tmp_path / "out")), 2, "no feedback of this kind"),
    ):
        assert reason in told(capfd, *arguments, code=code)["error"]["message"]
    assert not (tmp_path / "out").exists()
