"""`hematovision drift …` and the words of `monitor`: what is shown, what is refused."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hematovision.cli.application import app
from hematovision.home import locate_home
from hematovision.monitoring.history import open_history
from tests.monitoring.test_history import check


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEMATOVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Any:
    """A command's exit code and what it printed; a JSON document as such."""

    def run(*words: str) -> tuple[int, Any]:
        standard_output = os.dup(1)  # a command keeps it for its result and gives the rest to standard error
        ended = CliRunner().invoke(app, words)
        os.dup2(standard_output, 1)
        os.close(standard_output)
        printed = capfd.readouterr().out
        return ended.exit_code, json.loads(printed) if "--json" in words else printed

    return run


def test_history_show_and_plot_tell_of_every_check(call: Any, tmp_path: Path) -> None:
    history = open_history(locate_home(), None)
    accuracy = {"n": 10, "right": 4, "value": 0.4, "low": 0.12, "high": 0.74}
    raised = history.keep(check(True, accuracy=accuracy))
    calm = history.keep(check(False, site="south"))
    code, document = call("drift", "history", "--json")
    assert code == 0
    assert [one["id"] for one in document["checks"]] == [calm.id, raised.id]
    assert document["checks"][1]["signals"] == ["brightness"] and document["checks"][1]["changed"]
    assert [one["id"] for one in call("drift", "history", "--site", "south", "--json")[1]["checks"]] == [calm.id]
    states = call("drift", "show", "--json")[1]["states"]
    assert {(one["site"], one["state"]) for one in states} == {("north", "raised"), ("south", "cleared")}
    shown = call("drift", "show", raised.id[:8], "--json")[1]["check"]
    assert [signal["name"] for signal in shown["signals"]] == ["brightness", "confidence"]
    code, document = call("drift", "plot", "--html", str(tmp_path / "page.html"), "--json")
    assert (code, document["checks"]) == (0, 2)
    assert "An alarm stands since" in Path(document["page"]).read_text()
    for words in (("history",), ("show",), ("show", raised.id)):
        code, text = call("drift", *words)
        assert code == 0 and "brightness" in text and "raised" in text


def test_an_empty_history_has_nothing_to_plot(call: Any) -> None:
    assert call("drift", "history", "--json")[1]["checks"] == []
    code, document = call("drift", "plot", "--json")
    assert code == 3 and "makes a check" in document["error"]["message"]
    assert call("drift", "show", "abc", "--json")[0] == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "either --data PATH or --predictions"),
        (("--data", "x", "--predictions"), "either --data PATH or --predictions"),
        (("--data", "x", "--last", "5"), "give --predictions"),
        (("--predictions", "--last", "5", "--since", "24h"), "either --since or --last"),
        (("--predictions", "--since", "yesterday"), "is no time"),
    ],
)
def test_monitor_says_which_images_it_could_mean(call: Any, words: tuple[str, ...], says: str) -> None:
    code, document = call("monitor", "--model", "models:/m/1", *words, "--json")
    assert code == 2 and says in document["error"]["message"]
