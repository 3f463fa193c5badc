"""What serves is what was registered; a successor takes over when it is good, and is refused when it is not."""

import logging
import uuid
from pathlib import Path
from typing import Any

import pytest

from hematovision.errors import GateRefused, HematoVisionError, UsageError
from hematovision.home import locate_home
from hematovision.ledger import open_ledger
from hematovision.registry.package import FAMILIAR, NETWORK, SPECIFICATION, package_digest
from hematovision.serving.champion import Resolver
from hematovision.serving.engine import Engine
from hematovision.serving.metrics import Metrics
from tests.serving.small_models import SmallRegistry, redigest


@pytest.fixture
def registry() -> SmallRegistry:
    return SmallRegistry(locate_home(), f"cells-{uuid.uuid4().hex[:8]}")


def started(registry: SmallRegistry, *, shadow: str | None = None) -> Engine:
    resolve = Resolver(registry.home, open_ledger(registry.home, None))
    uri = f"models:/{registry.name}@champion"
    engine = Engine(
        registry.home, uri, resolve=resolve, shadow=shadow, runtime="openvino", threads=1, metrics=Metrics()
    )
    engine.start()
    return engine


def harm(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_without_a_champion_nothing_starts_and_it_says_what_to_do(registry: SmallRegistry, package: Path) -> None:
    for _ in range(2):
        with pytest.raises(UsageError, match="has no champion") as refusal:
            started(registry)
        assert f"hematovision promote {registry.name}/VERSION" in str(refusal.value)
        assert f"--model models:/{registry.name}/VERSION" in str(refusal.value)
        registry.add(package)


def test_an_alias_that_nobody_promoted_starts_nothing(registry: SmallRegistry, package: Path, second: Path) -> None:
    registry.client.set_registered_model_alias(registry.name, "champion", registry.add(package))
    with pytest.raises(GateRefused, match="the ledger says none"):
        started(registry)
    registry.client.delete_registered_model_alias(registry.name, "champion")
    registry.point("champion", "1")
    registry.client.set_registered_model_alias(registry.name, "champion", registry.add(second))
    with pytest.raises(GateRefused, match="the ledger says version 1"):
        started(registry)


def test_an_alias_moved_by_other_means_is_not_followed(
    registry: SmallRegistry, package: Path, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry.add(package, alias="champion")
    engine = started(registry)
    registry.client.set_registered_model_alias(registry.name, "champion", registry.add(second))
    with caplog.at_level(logging.ERROR):
        engine.refresh()
    assert engine.current.reference == f"{registry.name}/1"
    assert "hematovision promote --restore" in engine.trouble["model"].reason
    assert f"REFUSED, {registry.name}/1 goes on serving" in caplog.text
    registry.client.set_registered_model_alias(registry.name, "champion", "1")
    engine.refresh()
    assert not engine.trouble


def test_files_list_and_registry_changed_together_are_not_what_was_promoted(
    registry: SmallRegistry, package: Path, second: Path
) -> None:
    registry.add(package, alias="champion")
    engine = started(registry)
    for name in (NETWORK, SPECIFICATION):
        content = (second / name).read_bytes()
        (registry.package("1") / name).write_bytes(content)
        redigest(registry.package("1"), name)
    digest = package_digest(registry.package("1"))
    registry.client.set_model_version_tag(registry.name, "1", "model_digest", digest)
    engine.refresh()
    assert engine.current.specification.data_version == "first"
    assert "is not the model that was promoted" in engine.trouble["model"].reason
    with pytest.raises(HematoVisionError, match="not the model that was promoted"):
        started(registry)


def test_a_promotion_between_two_readings_is_no_disagreement(
    registry: SmallRegistry, package: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hematovision.promotion import champion

    registry.add(package, alias="champion")
    registry.add(second)
    engine, read = started(registry), champion.read_aliases

    def promoted_meanwhile(*asked: Any) -> dict[str, str]:
        monkeypatch.setattr(champion, "read_aliases", read)
        registry.point("champion", "2")
        return read(*asked)

    monkeypatch.setattr(champion, "read_aliases", promoted_meanwhile)
    engine.refresh()
    assert (engine.current.reference, engine.trouble) == (f"{registry.name}/2", {})


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
