"""One small model for all tests of the service, and one real service around it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.running import Running, running_service
from tests.serving.small_models import build_small_model, variant


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model package; never changed."""
    return build_small_model(tmp_path_factory.mktemp("small") / "package")


@pytest.fixture(scope="session")
def second(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model: the same network, trained on other data by its word."""
    return variant(package, tmp_path_factory.mktemp("second") / "package", data_version="second")


@pytest.fixture(scope="session")
def service(package: Path, second: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service in a process of its own, with small limits; shared, so whoever moves its alias moves it back."""
    with running_service(tmp_path_factory.mktemp("service"), package, second) as running:
        yield running


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that share the one service run in one worker."""
    for item in items:
        if "service" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("serving"))
