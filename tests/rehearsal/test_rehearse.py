"""The order of the loop and what it tells, in a world of paper; tests/e2e/test_loop.py has the real one."""

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from hematovision.config import RunConfig, load_config
from hematovision.home import Home
from hematovision.rehearsal import acts, processes
from hematovision.rehearsal.rehearse import rehearse
from hematovision.rehearsal.retrain import Retrained
from hematovision.rehearsal.sites import SITE_A, SITE_B, Sites, draw_sites, read_sites
from hematovision.rehearsal.story import Story, WentWrong
from hematovision.rehearsal.workplace import Workplace, open_workplace
from hematovision.scheduling.schedule import Firing
from tests.rehearsal.paper_world import COMMANDS, PaperService, serving

SMALL = {
    "synthetic": {"image_size": 64},
    "rehearsal": {"slides_a": 4, "slides_b": 4, "per_class": 1, "pause_seconds": 0.01, "patience_seconds": 60},
}


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_config(Path("loop"), SMALL)


@pytest.fixture(scope="module")
def sources(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return draw_sites(tmp_path_factory.mktemp("drawn"), config)


@pytest.fixture(scope="module")
def dealt(config: RunConfig, sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Sites:
    return read_sites(tmp_path_factory.mktemp("dealt"), sources, config)


@pytest.fixture
def service(dealt: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PaperService]:
    rows = pd.concat([dealt.home, dealt.held_out_a, dealt.held_out_b, dealt.first, dealt.later])
    service = PaperService(tmp_path, dict(zip(rows["sha256"], rows["label"], strict=True)))
    monkeypatch.setattr(processes, "PROGRAM", (sys.executable, "-c", COMMANDS))
    monkeypatch.setattr(acts.sites, "read_sites", lambda *_: dealt)
    monkeypatch.setattr(acts.retrain, "await_retrain", lambda *_: _retrained())
    monkeypatch.setenv("PAPER_WORLD", str(tmp_path))
    with serving(service) as address:
        monkeypatch.setenv("PAPER_ADDRESS", address)
        yield service


def _retrained() -> Retrained:
    nothing = dict.fromkeys(Firing.model_fields)
    now = datetime.now(UTC)
    known = {
        "id": "f",
        "schedule_id": "s",
        "schedule": "retrain-on-drift",
        "due": now,
        "cause": "time",
        "state": "done",
    }
    firing = Firing.model_validate({**nothing, **known, "merged": 1, "attempts": 1, "failures": 0})
    document = {
        "run": {"model": {"name": "small", "version": "2"}},
        "verdict": {"passed": True, "failed": [], "gates": 20, "champion": "small/1", "page": "verdict.html"},
        "started_by": "schedule",
    }
    return Retrained(firing, 3, document)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return open_workplace(Home(tmp_path / "home"), tmp_path / "work")


def _commands(world: Path) -> list[list[str]]:
    return [json.loads(line) for line in (world / "commands.jsonl").read_text().splitlines()]


def _standing(world: Path) -> list[int]:
    """Processes that said they stand and still do."""
    found = []
    for line in (world / "standing").read_text().split():
        try:
            os.kill(int(line), 0)
        except ProcessLookupError:
            continue
        found.append(int(line))
    return found


def test_the_whole_loop_in_order(
    place: Workplace,
    config: RunConfig,
    sources: dict[str, Path],
    service: PaperService,
    dealt: Sites,
    tmp_path: Path,
) -> None:
    told: list[str] = []
    outcome = rehearse(place, config, sources, Story(told.append, place.logs))
    assert (outcome.before.version, outcome.after.version) == ("1", "2") == tuple(outcome.versions)
    assert (outcome.before.site_a.accuracy.value, outcome.before.site_b.accuracy.value) == (1.0, 0.0)
    assert outcome.gain == {"site_a": 0.0, "site_b": 1.0}
    assert outcome.alarm_raised and outcome.alarm_cleared and outcome.started_by == "schedule"
    assert outcome.synthetic and outcome.dropped_requests == 0 and outcome.broken == []
    worse = outcome.model_copy(update={"dropped_requests": 2, "alarm_cleared": False})
    assert worse.broken == ["2 requests got no answer", "the alarm did not clear"]
    assert outcome.requests == len(service.sites) > sum(outcome.cells.values())
    assert outcome.corrections.accepted == outcome.corrections.given == outcome.corrections.wrong == 8
    words = [" ".join(words[:2]) for words in _commands(tmp_path)]
    shown = [one for one in words if one.split()[0] in ("run", "review", "promote", "schedule", "monitor")]
    assert [one for one in shown if not one.startswith("schedule daemon")] == [
        "run --data",
        "review approve",
        "review approve",
        "promote small/1",
        "monitor --model",
        "schedule add",
        "review approve",
        "review approve",
        "promote small/2",
        "monitor --model",
    ]
    added = next(words for words in _commands(tmp_path) if words[:2] == ["schedule", "add"])
    assert added[added.index("--if-accepted") + 1] == "8" and "--if-drift-alarm" in added
    assert added[added.index("--") + 1 :] == ["improve", "--config", str(place.config), "--json"]
    assert not _standing(tmp_path)
    assert len(outcome.steps) == sum(not line.startswith(" " * 10) for line in told) == 14


def test_held_out_cells_are_seen_by_nothing_that_decides(
    place: Workplace, config: RunConfig, sources: dict[str, Path], service: PaperService, dealt: Sites
) -> None:
    rehearse(place, config, sources, Story(lambda _: None, place.logs))
    held_out = set(dealt.held_out_a["sha256"]) | set(dealt.held_out_b["sha256"])
    as_sent = {site for site, sha256 in service.sites if sha256 in held_out}
    assert as_sent == {f"{SITE_A}+held+out", f"{SITE_B}+held+out"}
    learnt = {Path(path).name for path in pd.read_csv(place.root / "home-site" / "manifest.csv")["path"]}
    corrected = {path.split("/")[4] for path in service.votes}
    assert not held_out & (learnt | corrected)
    assert {sha256 for site, sha256 in service.sites if site == SITE_A} <= learnt


@pytest.mark.parametrize(
    ("sign", "words", "code"),
    [
        ("fails", r"Step 2 \(A model is trained on site A .*floor\.accuracy.*logs", 3),
        ("calm", r"Step 6 \(Drift of site B is looked for\) failed: Site B looks like site A", 1),
    ],
)
def test_a_failure_names_its_step_and_leaves_no_process(
    sign: str,
    words: str,
    code: int,
    place: Workplace,
    config: RunConfig,
    sources: dict[str, Path],
    service: PaperService,
    tmp_path: Path,
) -> None:
    (tmp_path / sign).touch()
    (tmp_path / "standing").touch()
    with pytest.raises(WentWrong, match=words) as raised:
        rehearse(place, config, sources, Story(lambda _: None, place.logs))
    assert raised.value.exit_code == code
    assert not _standing(tmp_path)
