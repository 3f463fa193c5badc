"""A search by the command a user types: killed, resumed, golden cells unseen, its configuration run."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from hematovision.data.golden import load_golden
from hematovision.home import locate_home
from tests.e2e.conftest import SMALL, Command

pytestmark = pytest.mark.slow

# Another seed and number of views than in other tests: features of two views were computed for this search.
TRIALS, SEED, VIEWS = 8, 23, 2
OWN = {"backbone": {"image_size": 64, "weights": "none"}, "augmentation": {"views": VIEWS}}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = yaml.safe_load(SMALL)
    content["seed"] = SEED
    content["learning"] = {**OWN, "training": {"frozen": {"epochs": 4}}}
    content["search"] = {"study": "slides", "folds": 3, "at_once": 2, "trials": TRIALS}
    path = tmp_path_factory.mktemp("search") / "search.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _told(database: Path) -> int:
    if not database.exists():
        return 0
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30) as connection:
        try:
            return int(connection.execute("select count(*) from trials where state = 'COMPLETE'").fetchone()[0])
        except sqlite3.OperationalError:  # not made yet
            return 0


@pytest.fixture(scope="module")
def killed(config: Path, cells: Path) -> int:
    """A search killed without warning once it has told two trials; returns how many it had told."""
    program = str(Path(sys.executable).with_name("hematovision"))
    command = [program, "search", "--data", str(cells), "--config", str(config)]
    database = locate_home().studies / "studies.db"
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 600
    while _told(database) < 2 and process.poll() is None and time.monotonic() < deadline:
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    return _told(database)


@pytest.fixture(scope="module")
def searched(killed: int, hematovision: Command, config: Path, cells: Path) -> dict[str, Any]:
    """The same command again."""
    ended = hematovision("search", "--data", cells, config=config)
    assert ended.code == 0, ended.errors
    return ended.document


def test_a_killed_search_goes_on_with_every_trial_once(killed: int, searched: dict[str, Any]) -> None:
    import optuna

    assert 2 <= killed < TRIALS
    study = optuna.load_study(study_name="slides", storage=f"sqlite:///{locate_home().studies / 'studies.db'}")
    assert [trial.number for trial in study.trials] == list(range(TRIALS))
    assert all(trial.state.is_finished() for trial in study.trials)
    counts = searched["trials"]
    assert counts["complete"] + counts["pruned"] + counts["failed"] == TRIALS


def test_the_document_is_as_the_interface_promises(searched: dict[str, Any]) -> None:
    assert searched["schema"] == 1
    assert searched["study"] == "slides"
    assert searched["best"] == searched["top"][0]
    assert searched["selection_score_is_biased"] is True
    assert 0 <= searched["best"]["selection_score"]["value"] <= 1
    assert Path(searched["page"]).is_file() and Path(searched["table"]).is_file()


def test_no_feature_of_a_golden_cell_was_ever_computed(searched: dict[str, Any], cells: Path) -> None:
    from safetensors.numpy import load_file

    files = [path for path in locate_home().features.rglob("*.safetensors") if len(load_file(path)["pooled"]) == VIEWS]
    known = {path.stem for path in files}
    frozen = [load_golden(folder) for folder in locate_home().golden.iterdir()]
    golden = {sha256 for found in frozen if found.parameters["seed"] == SEED for sha256 in found.rows["sha256"]}
    assert golden
    assert len(known) == searched["cells"]
    assert not known & golden


def test_a_finished_search_trains_nothing_and_says_the_same(
    searched: dict[str, Any], hematovision: Command, config: Path, cells: Path
) -> None:
    again = hematovision("search", "--data", cells, config=config)
    assert again.code == 0, again.errors
    assert {**again.document, "seconds": 0} == {**searched, "seconds": 0}


def test_its_configuration_is_run_as_it_is(searched: dict[str, Any], hematovision: Command) -> None:
    ended = hematovision("train", config=Path(searched["best_config"]))
    assert ended.code == 0, ended.errors
    assert ended.document["golden"]["n"] > 0


def test_a_space_that_names_no_setting_is_refused_at_once(hematovision: Command, cells: Path, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("search: {space: {learning.dropuot: {kind: int, low: 1, high: 2}}}")
    ended = hematovision("search", "--data", cells, "--space", tmp_path / "space.yaml")
    assert ended.code == 2
    assert "'learning.dropuot'" in ended.document["error"]["message"]
