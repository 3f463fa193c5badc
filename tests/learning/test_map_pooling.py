"""A head that sees mid-level maps: which ones, in a width known beforehand, under weights that keep their names."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hematovision.config import load_config
from hematovision.evaluation.prediction_sets import SetRule
from hematovision.learning.backbones import Backbone, load_backbone
from hematovision.learning.backbones.blocks import mean_and_deviation
from hematovision.learning.backbones.catalogue import describe
from hematovision.learning.features import Features, embed
from hematovision.learning.fitting import Part
from hematovision.learning.preprocessing import normalise
from hematovision.learning.settings import BackboneSettings, Pool, Pooling
from hematovision.learning.training import train
from hematovision.monitoring.strangeness import FamiliarLimit, fit_familiar
from hematovision.registry.explanation import load_network
from hematovision.registry.package import ModelSpecification, write_package
from hematovision.registry.predictor import Predictor

CLASSES, SIDE = ["eosinophil", "lymphocyte", "monocyte"], 64


def settings(name: str = "mobilenet_v2", **changes: object) -> BackboneSettings:
    return load_config(None, {"learning": {"backbone": {"name": name, "weights": "none", **changes}}}).learning.backbone


def staged(name: str = "mobilenet_v2", pool: Pool = "stages", **changes: object) -> Backbone:
    return load_backbone(settings(name, **changes), seed=3, pooling=Pooling(pool, 64))


def specification(**about: object) -> ModelSpecification:
    given: dict[str, object] = {
        "classes": CLASSES, "image_size": SIDE, "orientations": 1, "temperature": 1.0, "backbone": "mobilenet_v2",
        "weights": "none",
        "sets": SetRule(confidence=0.9, limits=[0.8, 0.3, 0.2], cells=[40, 40, 40]),
        "familiar": FamiliarLimit(distance=2.5, false_flag_rate=0.01, cells=300),
        "max_pixels": 10_000, "min_side": 8, "data_version": "made up", "manifest_digest": "", "golden_digest": "",
        "seed": 3, "synthetic": True, "software": {},
    }  # fmt: skip
    return ModelSpecification.model_validate({**given, **about})


def features(backbone: Backbone, side: int = 64) -> np.ndarray:
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(6))
    with torch.inference_mode():
        return backbone.upper(backbone.lower(images)).numpy()


def test_the_stages_of_mobilenet_are_the_last_blocks_of_each_resolution() -> None:
    assert describe("mobilenet_v2").stages == {1: 16, 3: 24, 6: 32, 13: 96}


@pytest.mark.parametrize("pool", ["stages", "blocks"])
@pytest.mark.parametrize("frozen_blocks", [0, 3, 4, 5, 14, 15])
def test_width_is_known_beforehand_and_the_usual_features_come_last(frozen_blocks: int, pool: Pool) -> None:
    pooled, usual = (
        staged(pool=pool, frozen_blocks=frozen_blocks),
        load_backbone(settings(frozen_blocks=frozen_blocks), seed=3),
    )
    found = features(pooled)
    assert found.shape == (2, pooled.width)
    np.testing.assert_allclose(found[:, -usual.width :], features(usual), atol=1e-6)
    assert list(pooled.upper.state_dict()) == list(usual.upper.state_dict())


def test_the_first_summary_is_of_what_the_frozen_blocks_hand_on() -> None:
    backbone = staged(frozen_blocks=4)
    with torch.inference_mode():
        maps = backbone.lower(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(6))).numpy()
    summary = np.concatenate([maps.mean((2, 3)), maps.std((2, 3))], 1)
    np.testing.assert_allclose(features(backbone)[:, : summary.shape[1]], summary, atol=1e-5)


def test_every_block_behind_the_cut_is_summarised() -> None:
    described, backbone = describe("mobilenet_v2"), staged(pool="blocks", frozen_blocks=4)
    channels = [24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320]
    assert list(described.beside_the_last("blocks", 4).values()) == channels
    with torch.inference_mode():
        maps = backbone.lower(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(6)))
        after = torch.cat(
            [mean_and_deviation(maps := maps if at < 0 else backbone.upper[at](maps)) for at in range(-1, 14)], 1
        )
    np.testing.assert_allclose(features(backbone)[:, : after.shape[1]], after.numpy(), atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "timm:test_vit"])
def test_other_families_have_their_own_stages_or_none(name: str) -> None:
    backbone = staged(name)
    assert features(backbone, backbone.sides.published).shape == (2, backbone.width)
    assert (backbone.width > describe(name).width) == (name == "resnet18")


@pytest.mark.parametrize("pool", ["stages", "blocks"])
def test_a_head_alone_on_earlier_maps_is_standardised_served_and_rebuilt(pool: Pool, tmp_path: Path) -> None:
    changes = {"head": {"pool": pool}, "orientations": 1, "training": {"fine_tuning": {"epochs": 0}}}
    learning = load_config(None, {"learning": changes}).learning
    backbone = staged(pool=pool, weights="imagenet")  # random ones leave next to nothing of a picture in late maps
    images = np.random.default_rng(2).integers(0, 256, (12, SIDE, SIDE, 3), np.uint8)
    inputs = torch.from_numpy(normalise(images, backbone.mean, backbone.deviation))
    with torch.inference_mode():
        below = backbone.lower(inputs)
        features = Features(below.numpy()[:, None].astype(np.float16), backbone.upper(below).numpy()[:, None])
    rows = np.arange(12)
    both = Part(rows, rows % 3), Part(rows[:6], rows[:6] % 3)
    network = train(features, *both, backbone, CLASSES, learning, seed=3, threads=1).network
    np.testing.assert_allclose(network.centre.numpy(), features.pooled.mean((0, 1)), rtol=1e-4, atol=1e-5)
    look = {"mean": backbone.mean, "deviation": backbone.deviation}
    made = specification(pool=pool, frozen_blocks=backbone.frozen_blocks, **look)
    folder = write_package(tmp_path / "package", network, made, fit_familiar(embed(below.numpy()), CLASSES * 4))
    with torch.inference_mode():
        expected = network(inputs)
        assert torch.equal(load_network(folder)(inputs), expected)
    answers = Predictor.load(folder).answer_pixels(images).logits
    np.testing.assert_allclose(answers, expected.numpy(), rtol=1e-3, atol=1e-3)
