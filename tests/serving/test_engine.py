"""What serves is what was registered; a successor takes over when it is good, and is refused when it is not."""

import logging
import uuid
from pathlib import Path

import pytest

from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import locate_home
from hematovision.registry.package import FAMILIAR, NETWORK, SPECIFICATION
from hematovision.serving.engine import Engine
from hematovision.serving.metrics import Metrics
from tests.serving.small_models import SmallRegistry, redigest


@pytest.fixture
def registry() -> SmallRegistry:
    return SmallRegistry(locate_home(), f"cells-{uuid.uuid4().hex[:8]}")


def started(registry: SmallRegistry, *, shadow: str | None = None) -> Engine:
    engine = Engine(registry.home, f"models:/{registry.name}@champion", shadow=shadow, metrics=Metrics())
    engine.start()
    return engine


def harm(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_without_a_champion_nothing_starts(registry: SmallRegistry, package: Path) -> None:
    with pytest.raises(UsageError, match="not in the registry"):
        started(registry)
    registry.add(package)
    with pytest.raises(UsageError, match="champion"):
        started(registry)


@pytest.mark.parametrize("name", [NETWORK, SPECIFICATION, FAMILIAR])
@pytest.mark.parametrize("covered_up", [False, True])
def test_a_model_that_is_not_the_registered_one_does_not_start(
    registry: SmallRegistry, package: Path, name: str, covered_up: bool
) -> None:
    version = registry.add(package, alias="champion")
    harm(registry.package(version) / name)
    if covered_up:
        redigest(registry.package(version), name)
    with pytest.raises(HematoVisionError, match="is not the"):
        started(registry)


def test_a_version_without_a_registered_digest_is_not_served(registry: SmallRegistry, package: Path) -> None:
    version = registry.add(package, alias="champion")
    registry.client.delete_model_version_tag(registry.name, version, "model_digest")
    with pytest.raises(HematoVisionError, match="cannot be verified"):
        started(registry)


def test_the_alias_is_followed_there_and_back(registry: SmallRegistry, package: Path, second: Path) -> None:
    registry.add(package, alias="champion")
    engine = started(registry)
    first = engine.current
    engine.refresh()
    assert engine.current is first, "an alias that has not moved loads nothing"
    registry.point("champion", registry.add(second))
    engine.refresh()
    assert (engine.current.reference, engine.current.specification.data_version) == (f"{registry.name}/2", "second")
    assert first.package.is_dir(), "who holds the old model may use it to the end"
    registry.point("champion", "1")
    engine.refresh()
    assert engine.current.reference == f"{registry.name}/1"
    assert not engine.trouble


def test_a_bad_successor_is_refused_loudly_and_welcome_once_mended(
    registry: SmallRegistry, package: Path, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry.add(package, alias="champion")
    engine = started(registry)
    version = registry.add(second, alias="champion")
    harm(registry.package(version) / NETWORK)
    with caplog.at_level(logging.ERROR):
        engine.refresh()
        engine.refresh()
    assert engine.current.reference == f"{registry.name}/1"
    assert "model.onnx is not the file that was registered" in engine.trouble["model"].reason
    assert len([line for line in caplog.messages if "REFUSED" in line]) == 1, "told once, not at every look"
    exposed = engine._metrics.exposition().decode()
    assert 'hematovision_reload_refused{part="model"} 1.0' in exposed
    assert 'hematovision_reloads_total{outcome="refused",part="model"} 1.0' in exposed
    harm(registry.package(version) / NETWORK)
    engine.refresh()
    assert engine.current.reference == f"{registry.name}/2"
    assert not engine.trouble
    assert 'hematovision_reload_refused{part="model"} 0.0' in engine._metrics.exposition().decode()


def test_a_removed_alias_leaves_the_old_model_in_service(registry: SmallRegistry, package: Path) -> None:
    registry.add(package, alias="champion")
    engine = started(registry)
    registry.client.delete_registered_model_alias(registry.name, "champion")
    engine.refresh()
    assert engine.current.reference == f"{registry.name}/1"
    assert "champion" in engine.trouble["model"].reason


def test_files_changed_after_loading_do_not_reach_what_serves(registry: SmallRegistry, package: Path) -> None:
    import numpy as np

    version = registry.add(package, alias="champion")
    engine = started(registry)
    pixels = np.full((1, 64, 64, 3), 90, np.uint8)
    before = engine.current.predictor.answer_pixels(pixels).logits
    network = registry.package(version) / NETWORK
    network.write_bytes(bytes(network.stat().st_size))
    engine.refresh()
    np.testing.assert_array_equal(engine.current.predictor.answer_pixels(pixels).logits, before)


def test_a_shadow_that_is_the_champion_itself_is_none(registry: SmallRegistry, package: Path, second: Path) -> None:
    registry.add(package, alias="champion")
    registry.point("challenger", registry.add(second))
    engine = started(registry, shadow=f"models:/{registry.name}@challenger")
    assert engine.shadow is not None and engine.shadow.reference == f"{registry.name}/2"
    registry.point("champion", "2")
    engine.refresh()
    assert engine.shadow is None
