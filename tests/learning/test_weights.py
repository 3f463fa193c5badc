"""Pretrained weights: verified, taken from the offline package, and never replaced by a random start in silence."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch

from hematovision.config import load_config
from hematovision.errors import HematoVisionError, UsageError
from hematovision.learning import weights
from hematovision.learning.backbones import load_backbone
from hematovision.learning.settings import BackboneSettings

FILE = "mobilenet_v2-b0353104.pth"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


def settings(**changes: object) -> BackboneSettings:
    return load_config(None, {"learning": {"backbone": changes}}).learning.backbone


def test_the_offline_package_seeds_the_hub_folder(hub: Path) -> None:
    backbone = load_backbone(settings(), seed=0)
    assert (hub / FILE).is_file()
    assert backbone.width == 1280
    assert backbone.mean == (0.485, 0.456, 0.406)


def test_an_altered_checkpoint_is_refused_by_name(hub: Path) -> None:
    assert weights.seed_offline(FILE)
    with (hub / FILE).open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"changed")
    with pytest.raises(HematoVisionError, match=FILE):
        load_backbone(settings(), seed=0)


def test_missing_weights_name_the_file_and_its_place(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network here")

    monkeypatch.setattr(weights, "OFFLINE_PACKAGES", {})
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    monkeypatch.setattr(torch.hub, "urlopen", offline)
    with pytest.raises(HematoVisionError, match=FILE) as raised:
        load_backbone(settings(), seed=0)
    assert str(hub / FILE) in str(raised.value)


def test_a_random_start_is_only_taken_when_asked_for(hub: Path) -> None:
    first, again, other = (load_backbone(settings(weights="none"), seed=seed) for seed in (1, 1, 2))
    assert first.weights == "none"
    one, same, different = (next(b.lower.parameters()) for b in (first, again, other))
    assert torch.equal(one, same)
    assert not torch.equal(one, different)
    assert not hub.exists()


@pytest.mark.parametrize("changes", [{"name": "resnet9000"}, {"frozen_blocks": 19}])
def test_impossible_backbones_are_wrong_usage(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        load_backbone(settings(**changes), seed=0)
