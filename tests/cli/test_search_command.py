"""`hematovision search` before its pipeline starts: which settings it takes, what it refuses at once."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hematovision.cli.application import app
from hematovision.cli.search import _alone, _configured
from hematovision.errors import UsageError

DROPOUT = "learning.training.dropout"
OWN = f"search: {{trials: 7, space: {{{DROPOUT}: {{kind: choice, values: [0.1, 0.2]}}}}}}\nsplit: {{folds: 3}}\n"


def test_the_head_is_searched_where_no_space_is_given() -> None:
    config = _configured(None, Path("frozen"), None, None, {"trials": 9, "method": None})
    assert "learning.training.frozen.learning_rate" in config.search.space
    assert config.search.trials == 9
    assert config.search.method == "bayesian"
    assert config.learning.training.fine_tuning.epochs == 0


def test_a_configuration_with_a_space_of_its_own_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    config = _configured("cells", tmp_path / "own.yaml", None, 5, {})
    assert list(config.search.space) == [DROPOUT]
    assert (config.search.trials, config.split.folds, config.data, config.seed) == (7, 3, "cells", 5)
    assert config.learning.training.fine_tuning.epochs > 0, "the head's space was not laid over it"


def test_a_space_is_laid_over_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("split: {folds: 3}")
    config = _configured(None, tmp_path / "own.yaml", Path("search/head_grid"), None, {})
    assert config.split.folds == 3
    assert config.search.method == "grid"


def test_a_study_is_searched_by_one_process_at_a_time(tmp_path: Path) -> None:
    with _alone(tmp_path, "lab"):
        with pytest.raises(UsageError, match="another process"), _alone(tmp_path, "lab"):
            pass
        with _alone(tmp_path, "other"):
            pass
    with _alone(tmp_path, "lab"):
        pass


@pytest.mark.parametrize(
    ("space", "arguments", "words"),
    [
        ("learning.dropuot: {kind: int, low: 1, high: 2}", [], "'learning.dropuot'"),
        ("learning.training.dropout: {kind: float, low: 0, high: 2}", [], "less than 1"),
        ("learning.training.dropout: {kind: float, low: 0, high: 0.5}", ["--method", "grid"], "needs a `step`"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_before_any_cell_is_read(
    space: str, arguments: list[str], words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.yaml").write_text(f"search: {{space: {{{space}}}}}")
    ended = CliRunner().invoke(app, ["search", "--space", str(tmp_path / "space.yaml"), "--json", *arguments])
    assert ended.exit_code == 2
    assert words in json.loads(capfd.readouterr().out)["error"]["message"]
