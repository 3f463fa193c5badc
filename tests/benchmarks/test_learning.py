"""The learning benchmark: the same terms for everyone, honest arithmetic, and contestants that run."""

import json
import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.learning import __main__ as bench
from benchmarks.learning import cells, entry, ours, plain_torchvision, published_recipe, race, summary, telling
from benchmarks.learning.entry import Cell, Task
from benchmarks.learning.race import CONTESTANTS, FASTAI, OURS_TUNED, PEERS, PLAIN, Run, Terms, order
from hematovision.config import load_config
from hematovision.data.splits import deal_folds
from hematovision.data.store import ImageStore
from hematovision.home import PROJECT

LABELS = ["dark", "light"]
SIDES = ("training", "validation", "test")


def picture(folder: Path, number: int) -> Path:
    values = np.random.default_rng(number).integers(0, 60, (40, 40, 3)).astype(np.uint8) + 150 * (number % 2)
    Image.fromarray(values.astype(np.uint8)).save(folder / f"{number:02}.png")
    return folder / f"{number:02}.png"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty cells of two classes on CSV, four of them for validation and four for the test."""
    folder = tmp_path_factory.mktemp("cells")
    sides = ["training"] * 12 + ["validation"] * 4 + ["test"] * 4
    rows = [
        {
            "file": str(picture(folder, number)),
            "sha256": f"{number:064x}",
            "label": LABELS[number % 2],
            "group": f"slide {number}",
            "side": side,
        }
        for number, side in enumerate(sides)
    ]
    entry.write_cells(folder / "cells.csv", rows)
    return folder / "cells.csv"


def task(table: Path, config: str = "") -> Task:
    return Task(entry.read_cells(table), pixels=64, epochs=1, threads=1, seed=3, config=config)


def is_an_answer(rows: Any) -> bool:
    found = np.array(rows)
    return found.shape == (4, 2) and bool(np.allclose(found.sum(1), 1, atol=1e-2))


HEADS = {
    "fine-tuned": "training: {frozen: {epochs: 2}}",
    "frozen": "training: {frozen: {epochs: 2}, fine_tuning: {epochs: 0}}",
    "flattened": "head: {pool: flatten, hidden: 8}\n  training: {frozen: {epochs: 2}, fine_tuning: {epochs: 0}}",
}


@pytest.mark.parametrize("learning", HEADS.values(), ids=HEADS)
def test_ours_runs(learning: str, table: Path, tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(f"learning:\n  backbone: {{weights: none}}\n  augmentation: {{views: 5}}\n  {learning}\n")
    assert is_an_answer(ours.answer(task(table, str(config))))


def test_everyone_who_fine_tunes_has_the_same_epochs_and_nothing_else_is_changed(table: Path) -> None:
    asked = ours.configured(task(table)).learning
    usual = load_config().learning
    assert asked.training.fine_tuning.epochs == 1 and asked.backbone.image_size == 64
    assert asked.training.frozen == usual.training.frozen and asked.augmentation == usual.augmentation
    assert ours.configured(task(table, "frozen")).learning.training == load_config(Path("frozen")).learning.training


@pytest.mark.parametrize("script", [published_recipe, plain_torchvision])
def test_the_plain_scripts_run(script: Any, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    network = models.mobilenet_v2
    monkeypatch.setattr(script.models, "mobilenet_v2", lambda **_: network(weights=None))
    assert is_an_answer(script.train(task(table)))


@pytest.mark.slow
@pytest.mark.skipif(not PEERS.exists(), reason="the peers' environment is not here: `make bench` makes it")
def test_fastai_runs(table: Path, tmp_path: Path) -> None:
    command = [PEERS, "-m", "benchmarks.learning.fastai_learner", "--cells", table, "--pixels", "64", "--epochs", "2"]
    options = ["--threads", "1", "--seed", "3", "--result", tmp_path / "result.json"]
    done = subprocess.run(
        list(map(str, [*command, *options])), cwd=PROJECT, env=os.environ, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "result.json").read_text())
    assert is_an_answer(told["probabilities"])
    assert set(told["versions"]) >= {"fastai", "torch"}


def test_the_peers_have_the_torch_that_ours_has() -> None:
    def pinned(name: str, package: str) -> str:
        found = re.search(rf"^{package}==([^ ]+)", (PROJECT / "requirements" / name).read_text(), re.MULTILINE)
        assert found
        return found.group(1)

    for package in ("torch", "torchvision"):
        assert pinned("bench.txt", package) == pinned("lock.txt", package)


def test_no_group_stands_on_two_sides_and_every_cell_is_tested_once(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "path": [f"{number:02}" for number in range(60)],
            "label": [LABELS[number % 2] for number in range(60)],
            "sha256": [f"{number:064x}" for number in range(60)],
            "group": [f"slide {number // 4}" for number in range(60)],
        }
    )
    dealt, config = deal_folds(rows, folds=cells.FOLDS, seed=1), load_config()
    tested: list[str] = []
    for number in range(cells.FOLDS):
        cells.write_round(dealt, ImageStore(tmp_path), number, config, tmp_path / "round.csv")
        read = entry.read_cells(tmp_path / "round.csv")
        sides = {
            side: {cell.group for cell in read if cell.side == side} for side in ("training", "validation", "test")
        }
        assert all(sides.values()) and len(set.union(*sides.values())) == sum(map(len, sides.values()))
        tested += [cell.sha256 for cell in read if cell.side == "test"]
    assert sorted(tested) == sorted(rows["sha256"])


def test_fewer_cells_are_as_many_of_each_class_whatever_their_order() -> None:
    rows = pd.DataFrame(
        {
            "path": [f"{number:02}" for number in range(40)],
            "label": [LABELS[number % 4 == 0] for number in range(40)],
            "sha256": [f"{number:064x}" for number in range(40)],
        }
    )
    few = cells._fewer(rows, 10)
    assert few["label"].value_counts().to_dict() == {"dark": 5, "light": 5}
    assert list(cells._fewer(rows[::-1], 10)["sha256"]) == list(few["sha256"])


def test_everyone_runs_once_a_round_and_nobody_always_first() -> None:
    rounds = [order(CONTESTANTS, number) for number in range(4)]
    assert all(len(found) == len(CONTESTANTS) and set(found) == set(CONTESTANTS) for found in rounds)
    assert len({found[0].name for found in rounds}) == 4


def a_run(name: str, number: int, wall: float, right: int) -> Run:
    sure = [[0.9, 0.1] if (row % 2 == 0) == (row < right) else [0.1, 0.9] for row in range(4)]
    return Run(name, number, wall, 2 * wall, wall - 1, [0.1, 0.1, 0.1], LABELS, sure, {"torch": "2"})


def a_test() -> list[Cell]:
    return [Cell("", f"{row}", LABELS[row % 2], f"slide {row}", "test") for row in range(4)]


def result(ours_right: int = 4, fastai_wall: float = 30.0) -> summary.Result:
    runs = [a_run(OURS_TUNED, number, 10.0 + number, ours_right) for number in range(3)]
    runs += [a_run(FASTAI, number, fastai_wall + 3 * number, 3) for number in range(3)]
    tests, settings = [a_test()] * 3, load_config().evaluation
    lines = [
        summary.score([run for run in runs if run.contestant == name], tests, settings, 1)
        for name in (OURS_TUNED, FASTAI)
    ]
    about = {"processor": "P", "cores": 2, "memory_gib": 8, "system": "S", "load": [3.0, 1.0, 1.0], "time": "now"}
    return summary.Result(about, Terms(64, 12, 20, 2, 1), "made up", lines, summary.aims(runs, lines), runs)


def test_accuracy_is_of_all_rounds_and_time_the_median_of_theirs() -> None:
    tuned, fastai = result().lines
    assert (tuned.scores.accuracy.value, fastai.scores.accuracy.value) == (1.0, 0.75)
    assert (tuned.wall, tuned.fastest, tuned.slowest) == (11.0, 10.0, 12.0)
    assert tuned.scores.n == 12


def test_an_aim_asks_for_speed_and_accuracy_both() -> None:
    (met,) = result().aims
    assert met.ratio == pytest.approx(3.0) and met.met
    assert not result(fastai_wall=15.0).aims[0].met
    assert not result(ours_right=2).aims[0].met


def test_an_aim_is_told_only_where_both_ran() -> None:
    assert [aim.than for aim in result().aims] == [FASTAI]
    assert PLAIN not in telling.markdown(result())


def test_the_page_tells_machine_load_and_verdict() -> None:
    page = telling.markdown(result())
    assert "Other work was running" in page and "| fastai | 3 | 0.750 |" in page
    assert "met: ours, fine-tuned, 3.0 times as fast as fastai" in page
    assert json.loads(json.dumps(telling.document(result())))["aims"][0]["met"] is True
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 4 and len({row.count("|") for row in rows}) == 1


def test_the_terminal_shows_each_figure_under_its_heading() -> None:
    shown = telling.table(result().lines)
    accuracy = next(column for column in shown.columns if column.header == "accuracy")
    seconds = next(column for column in shown.columns if column.header == "seconds")
    assert (list(accuracy.cells), list(seconds.cells)) == (["1.000", "0.750"], ["11.0", "33.0"])


def test_a_failing_contestant_is_told_with_its_last_words(table: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="No module named"):
        race.run(race.Contestant("nobody", "nothing_of_that_name"), 0, table, Terms(64, 1, 1, 1, 1), tmp_path)


def test_peers_are_asked_for_where_they_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PEERS", SimpleNamespace(exists=lambda: False))
    with pytest.raises(SystemExit, match="make bench"):
        bench.chosen(None)
    assert [contestant.name for contestant in bench.chosen([OURS_TUNED])] == [OURS_TUNED]
