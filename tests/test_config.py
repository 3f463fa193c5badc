"""The configuration: defaults that load, files laid over them, problems named key by key."""

from pathlib import Path

import pytest
import yaml

from hematovision.config import DEFAULT_CONFIG, load_config
from hematovision.errors import UsageError
from hematovision.home import CONFIGS
from hematovision.promotion.policy import load_policy


@pytest.mark.parametrize(
    "path", sorted([*CONFIGS.glob("*.yaml"), *CONFIGS.glob("recipes/*.yaml")]), ids=lambda path: path.stem
)
def test_every_file_in_configs_is_usable(path: Path) -> None:
    if path.stem == "scanners":
        pytest.skip("a table of scanners, read by the generator")
    if path.stem == "promotion":
        assert load_policy().review.approvals == 2
        return
    assert load_config(path).seed >= 0


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("learning: {training: {dropout: 0.5}}")
    changed, base = load_config(tmp_path / "own.yaml"), load_config()
    assert changed.learning.training.dropout == 0.5
    assert changed.learning.training.frozen == base.learning.training.frozen
    assert changed.split == base.split


def test_a_bare_name_means_a_file_in_configs() -> None:
    assert load_config(Path("frozen")).learning.training.fine_tuning.epochs == 0


def test_single_changes_come_last(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("split: {folds: 3}")
    assert load_config(tmp_path / "own.yaml", {"split": {"folds": 4}}).split.folds == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning: {training: {dropuot: 0.5}}", "learning.training.dropuot"),
        ("split: {golden_fraction: 2}", "split.golden_fraction"),
        ("seed: many", "seed"),
        ("- a list", "mapping"),
        ("{unclosed", "YAML"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(UsageError, match=words):
        load_config(tmp_path / "own.yaml")


def test_a_missing_file_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="frozen"):
        load_config(tmp_path / "none.yaml")


def test_no_key_of_the_defaults_is_written_twice() -> None:
    lines = [line for line in DEFAULT_CONFIG.read_text().splitlines() if line and not line.startswith((" ", "#"))]
    keys = [line.partition(":")[0] for line in lines]
    assert sorted(keys) == sorted(yaml.safe_load(DEFAULT_CONFIG.read_text()))
