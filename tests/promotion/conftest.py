"""Laboratories on paper: a registry, a ledger, a team, and not one trained model."""

import shutil
from pathlib import Path

import pytest

from tests.promotion.paper_registry import Laboratory, open_laboratory, prepare_laboratory


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose databases are made once."""
    root = tmp_path_factory.mktemp("laboratory") / "template"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
        return prepare_laboratory(root).home.root


@pytest.fixture
def laboratory(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    """A laboratory of its own, with a team and no version yet."""
    root = Path(shutil.copytree(template, tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")  # MLflow sets it to the last home used
    return open_laboratory(root)
