"""A small generated data set and one real run on it, shared by every test of the whole."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SMALL = """
seed: 5
synthetic: {slides: 24, cells_per_class_per_slide: 1}
split: {folds: 2}
validation: {min_images_per_class: 5}
learning:
  backbone: {image_size: 96}
  augmentation: {views: 6}
  training:
    frozen: {epochs: 20}
    fine_tuning: {epochs: 5, batch_size: 16}
evaluation: {resamples: 200}
robustness: {cells: 8}
monitoring: {resamples: 300, false_alarm_rate: 0.01}
registry: {model_name: small}
"""

LENIENT_FLOORS = """
floors:
  golden_cells: 10
  cells_per_class: 1
  accuracy: {value: 0.2, end: 0.1}
  macro_f1: {value: 0.2, end: 0.05}
  recall: {value: 0.0, end: 0.0}
  set_coverage: {value: 0.5, end: 0.3}
  ece: {value: 1.0, end: 1.0}
"""
"""What a small run reaches: a policy of a test starts with these."""


@dataclass(frozen=True)
class Ended:
    """How a command ended; `document` is its standard output as JSON."""

    code: int
    document: dict[str, Any]
    errors: str


Command = Callable[..., Ended]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration that keeps a run short."""
    path = tmp_path_factory.mktemp("config") / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="session")
def hematovision(small: Path) -> Command:
    """The real command in a process of its own, always with --json."""

    def call(*arguments: object, config: Path | None = small) -> Ended:
        chosen = ["--config", str(config)] if config else []
        command = [str(Path(sys.executable).with_name("hematovision")), *map(str, arguments), *chosen, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=900, cwd=small.parent)
        assert done.stdout.count("\n") <= 1, f"more than one document on standard output:\n{done.stdout[:2000]}"
        return Ended(done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr)

    return call


@pytest.fixture(scope="session")
def cells(hematovision: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """192 generated cells on 24 slides."""
    folder = tmp_path_factory.mktemp("cells") / "scanner-a"
    ended = hematovision("data", "generate", folder)
    assert ended.code == 0, ended.errors
    return folder


@pytest.fixture(scope="session")
def trained(hematovision: Command, cells: Path) -> dict[str, Any]:
    """The document of one whole run."""
    ended = hematovision("run", "--data", cells)
    assert ended.code == 0, ended.errors
    return ended.document


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker for all that share the trained run; what has runs of its own, or none, may go on beside it.

    What takes long comes first, so that no worker ends alone with it. What makes other versions and champions comes
    last of those that look at the same registry.
    """
    changing = ["test_adaptation", "test_improvement"]
    items.sort(key=lambda item: changing.index(item.path.stem) if item.path.stem in changing else -1)
    items.sort(key=lambda item: (not _is_whole(item), item.get_closest_marker("slow") is None))
    for item in items:
        if _is_whole(item):
            shares = "trained" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("e2e" if shares else item.path.stem))


def _is_whole(item: pytest.Item) -> bool:
    return item.path.is_relative_to(Path(__file__).parent)
