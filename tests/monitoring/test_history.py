"""The drift history: which check raises, keeps or clears an alarm, and that the ledger hears of it once."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hematovision.errors import UsageError
from hematovision.home import Home
from hematovision.ledger import open_ledger
from hematovision.monitoring.alarm import alarm_facts, record_changes, run_command
from hematovision.monitoring.drift import Signal
from hematovision.monitoring.history import Check, DriftHistory, open_history
from hematovision.monitoring.timeline import render_timeline


def check(drift: bool, model: str = "hematovision/1", site: str | None = "north", **fields: Any) -> Check:
    value = 2.0 if drift else 0.5
    signals = [
        Signal(name="brightness", value=value, threshold=1, alarm=drift, p_value=0.01, statistic="Kolmogorov-Smirnov"),
        Signal(name="confidence", value=0.1, threshold=1, alarm=False, p_value=0.6, statistic="fall of the mean"),
    ]
    said: dict[str, Any] = {
        "model_digest": "d" * 64,
        "source": "predictions",
        "baseline": None,
        "n": 50,
        "n_reference": 300,
        "rates": {"unlike_training": 0.1, "more_than_one_class": 0.2},
        "accuracy": None,
        "report": "runs/monitor/drift.html",
    }
    return Check(model=model, site=site, drift=drift, signals=signals, **said | fields)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def history(home: Home) -> DriftHistory:
    return open_history(home, None)


def test_an_alarm_is_raised_once_stands_and_is_cleared_once(history: DriftHistory) -> None:
    kept = [history.keep(check(drift)) for drift in (False, True, True, False, False)]
    assert [one.state for one in kept] == ["cleared", "raised", "raised", "cleared", "cleared"]
    assert [one.changed for one in kept] == [False, True, False, True, False]
    assert [one.since for one in kept] == [kept[place].time for place in (0, 1, 1, 3, 3)]
    assert history.checks() == kept[::-1]
    assert [one.number for one in kept] == [1, 2, 3, 4, 5]


def test_the_first_check_may_raise(history: DriftHistory) -> None:
    first = history.keep(check(True))
    assert (first.state, first.changed) == ("raised", True)


def test_models_and_sites_have_alarms_of_their_own(history: DriftHistory) -> None:
    history.keep(check(True))
    others = [check(False, site="south"), check(False, site=None), check(False, model="other/2")]
    assert not any(history.keep(one).changed for one in others)
    again = history.keep(check(True))
    assert (again.state, again.changed) == ("raised", False)


def test_a_later_version_clears_what_an_earlier_one_left_open(history: DriftHistory) -> None:
    history.keep(check(True, model="hematovision/9"))
    calm = history.keep(check(False, model="hematovision/10"))
    assert (calm.state, calm.changed, calm.follows) == ("cleared", True, "hematovision/9")
    assert not history.keep(check(False, model="hematovision/10")).changed
    earlier = history.state("hematovision/9", "north")
    assert earlier is not None and earlier.state == "raised", "it is the new version that is calm"
    assert not history.keep(check(False, model="hematovision/8")).changed, "an earlier version answers for nobody"
    assert not history.keep(check(False, model="hematovision/11", site="south")).changed


def test_a_later_version_that_drifts_too_raises_its_own(history: DriftHistory) -> None:
    history.keep(check(True))
    assert history.keep(check(True, model="hematovision/2")).changed
    cleared = history.keep(check(False, model="hematovision/2"))
    assert cleared.changed and cleared.follows is None


def test_checks_made_at_the_same_time_raise_one_alarm(home: Home) -> None:
    open_history(home, None)
    with ThreadPoolExecutor(6) as together:
        kept = list(together.map(lambda _: open_history(home, None).keep(check(True)), range(12)))
    assert sum(one.changed for one in kept) == 1
    assert len({one.since for one in kept}) == 1


def test_the_history_lies_in_another_database_too(home: Home, postgres: str) -> None:
    history = open_history(home, postgres)
    assert history.keep(check(True)).number == 1
    assert open_history(home, postgres).state("hematovision/1", "north") is not None
    assert not (home.databases / "drift.db").exists()


def test_of_a_model_the_newest_check_of_each_site_stands(history: DriftHistory) -> None:
    assert history.standing("hematovision/1") == []
    history.keep(check(True, site="north"))
    raised = history.keep(check(True, site="south"))
    cleared = history.keep(check(False, site="north"))
    latest = history.keep(check(True, site="south"))
    nowhere = history.keep(check(False, site=None))
    history.keep(check(True, model="hematovision/2"))
    assert history.standing("hematovision/1") == [latest, nowhere, cleared], "alarms first, then by site"
    assert latest.since == raised.time


def test_checks_are_found_by_the_beginning_of_their_id(history: DriftHistory) -> None:
    first, second = (history.keep(check(False, id=name)) for name in ("aab", "aac"))
    assert history.check("aab") == first and history.check("aac") == second
    for wrong in ("aa", "x", "_ab", ""):
        with pytest.raises(UsageError, match="id that begins with"):
            history.check(wrong)
    assert [one.id for one in history.checks(model="hematovision", limit=1)] == ["aac"]
    assert history.checks(model="hemato") == history.checks(site="south") == []


def test_the_ledger_has_every_change_once_however_often_it_was_cut_short(
    home: Home, history: DriftHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(home, None)
    for drift in (False, True, True, False):
        history.keep(check(drift, report=str(home.runs / "monitor-1" / "drift.html")))
    with monkeypatch.context() as killed:
        killed.setattr(DriftHistory, "recorded", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError, match="killed"):
            record_changes(home, history, ledger)
    assert record_changes(home, open_history(home, None), ledger) == 2
    assert record_changes(home, history, ledger) == 0
    alarms = list(ledger.records(kind="alarm"))
    assert [alarm.content["state"] for alarm in alarms] == ["raised", "cleared"]
    assert {alarm.subject for alarm in alarms} == {"model:hematovision/1"}
    content = alarms[0].content
    assert {key: content[key] for key in ("what", "site", "signals", "n", "report")} == {
        "what": "drift", "site": "north", "signals": ["brightness"], "n": 50, "report": "runs/monitor-1/drift.html",
    }  # fmt: skip
    assert [one.record for one in history.checks()][::-1] == [None, alarms[0].number, None, alarms[1].number]


def test_a_model_that_is_in_no_registry_is_named_by_its_digest(home: Home, history: DriftHistory) -> None:
    history.keep(check(True, model="folder/abc123"))
    ledger = open_ledger(home, None)
    record_changes(home, history, ledger)
    assert [alarm.subject for alarm in ledger.records(kind="alarm")] == [f"model-digest:{'d' * 64}"]


def test_a_command_gets_the_facts_without_a_shell(home: Home, history: DriftHistory, tmp_path: Path) -> None:
    facts = alarm_facts(home, history.keep(check(True, site="$(touch no) north")))
    told = tmp_path / "told.json"
    program = "import json, os, sys; from pathlib import Path; Path(sys.argv[1]).write_text(json.dumps([sys.stdin.read(), dict(os.environ)]))"  # noqa: E501
    assert run_command([sys.executable, "-c", program, str(told)], facts, seconds=20) is None
    text, variables = json.loads(told.read_text())
    assert json.loads(text) == facts
    assert (variables["HEMATOVISION_ALARM"], variables["HEMATOVISION_SITE"]) == ("raised", "$(touch no) north")
    assert (variables["HEMATOVISION_MODEL"], variables["HEMATOVISION_SIGNALS"]) == ("hematovision/1", "brightness")


def test_a_command_that_fails_is_told_and_raises_nothing(home: Home, history: DriftHistory) -> None:
    facts = alarm_facts(home, history.keep(check(True)))
    refuse = [sys.executable, "-c", "import sys; sys.exit('no paper')"]
    assert "ended with 1: no paper" in str(run_command(refuse, facts, seconds=20))
    assert "nowhere" in str(run_command(["/nowhere/notify"], facts, seconds=20))


def test_the_timeline_is_one_page_with_every_site(history: DriftHistory) -> None:
    accuracy = {"n": 10, "right": 4, "value": 0.4, "low": 0.12, "high": 0.74}
    for drift, site in ((False, "north"), (True, "north"), (False, "so<b>uth"), (False, None)):
        history.keep(check(drift, site=site, accuracy=accuracy if drift else None))
    page = render_timeline(history.checks()[::-1])
    assert page.index("north ·") < page.index("so&lt;b&gt;uth ·"), "the alarm that stands comes first"
    assert "An alarm stands since" in page and "4 of 10" in page and "No site in particular" in page
    assert "http" not in page.replace("http://www.w3.org", "") and "<script" not in page
    assert page.count("<svg") == 6
