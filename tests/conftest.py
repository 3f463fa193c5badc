"""A home of its own for the whole test session, set before anything heavy is imported."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hematovision.home import activate_home, locate_home

TORCH_HOME = locate_home().root / "torch"
_home = Path(tempfile.mkdtemp(prefix="hematovision-tests-"))
os.environ["HEMATOVISION_HOME"] = str(_home)
for _name in ("ZENML_CONFIG_PATH", "ZENML_LOCAL_STORES_PATH", "ZENML_STORE_URL", "MLFLOW_TRACKING_URI"):
    os.environ.pop(_name, None)
os.environ.setdefault("TORCH_HOME", str(TORCH_HOME))
activate_home()

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def _remove_home() -> Iterator[None]:
    yield
    shutil.rmtree(_home, ignore_errors=True)


def _real(name: str) -> Path:
    folder = SHARED_DATA / name
    if not folder.is_dir():
        pytest.skip(f"the real cells of {name} are not on this machine")
    return folder


@pytest.fixture(scope="session")
def pbc500() -> Path:
    """500 real white cells, a folder a class."""
    return _real("pbc500")


@pytest.fixture(scope="session")
def bccd() -> Path:
    """364 real smear photographs with boxes."""
    return _real("bccd")
