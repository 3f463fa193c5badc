"""Every backbone that is listed trains through the real chain and answers the same in torch, ONNX Runtime, OpenVINO."""

import copy
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from hematovision.config import load_config
from hematovision.learning.backbones import Backbone, load_backbone
from hematovision.learning.backbones.catalogue import LISTED
from hematovision.learning.export import export_onnx
from hematovision.learning.extraction import extract_features
from hematovision.learning.features import FeaturePlan, Features
from hematovision.learning.fitting import Part
from hematovision.learning.inference import compile_onnx
from hematovision.learning.networks import CellNetwork
from hematovision.learning.settings import LearningSettings
from hematovision.learning.training import train

CLASSES = ["lymphocyte", "monocyte"]
CELLS = {f"{number:064x}": np.random.default_rng(number).integers(0, 256, (40, 48, 3), np.uint8) for number in range(6)}


def learning(name: str, frozen: int | str) -> LearningSettings:
    phase = {"epochs": 1, "batch_size": 4}
    changes = {
        "backbone": {"name": name, "weights": "none", "frozen_blocks": frozen},
        "orientations": 1,
        "training": {"frozen": phase, "fine_tuning": phase},
    }
    return load_config(None, {"learning": changes}).learning


def features_of(backbone: Backbone, side: int, settings: LearningSettings, folder: Path) -> Features:
    plan = FeaturePlan(side, 1, 1, settings.augmentation, "f32", 1)
    cache = extract_features(list(CELLS), CELLS.__getitem__, backbone, plan, folder, batch_size=4, workers=1)
    return cache.read(list(CELLS))


def trained(backbone: Backbone, features: Features, settings: LearningSettings) -> CellNetwork:
    rows = np.arange(len(CELLS))
    training, validation = Part(rows[:4], rows[:4] % 2), Part(rows[4:], rows[4:] % 2)
    result = train(features, training, validation, backbone, CLASSES, settings, seed=1, threads=1)
    assert [epoch.phase for epoch in result.curves] == ["frozen", "fine-tuning"]
    assert all(np.isfinite(epoch.training_loss) for epoch in result.curves)
    return result.network


def settle(network: CellNetwork, side: int) -> None:
    """Give every normalisation the statistics of real maps: with its first ones a random network says nothing."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not layers:
        return
    images = torch.randn(16, 3, side, side, generator=torch.Generator().manual_seed(3))
    for layer in layers:
        layer.momentum = 1.0
    with torch.no_grad():
        network.train()(images)
        pooled = network.eval().upper(network.lower(images))
    network.standardise_on(pooled.numpy()[:, None])
    nn.init.normal_(network.head.weight, std=0.02, generator=torch.Generator().manual_seed(4))


QUICK = [("resnet18", "auto"), ("mobilenet_v3_small", 0), ("timm:test_vit", "auto")]
ALL_OTHERS = [(name, "auto") for name in LISTED if name != "resnet18"]


@pytest.mark.parametrize(
    ("name", "frozen"), [*QUICK, *(pytest.param(*other, marks=pytest.mark.slow) for other in ALL_OTHERS)]
)
def test_it_trains_and_answers_the_same_everywhere(name: str, frozen: int | str, tmp_path: Path) -> None:
    settings = learning(name, frozen)
    backbone = load_backbone(settings.backbone, seed=1)
    side = backbone.sides.bounds(32, 32)[0]
    before = [tensor.clone() for tensor in backbone.upper.state_dict().values()]
    network = trained(backbone, features_of(backbone, side, settings, tmp_path), settings)
    assert any(not torch.equal(*pair) for pair in zip(before, network.upper.state_dict().values(), strict=True))

    images = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(2))
    settle(network, side)
    with torch.inference_mode():
        expected = network(images).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3, "every picture gets the same answer"
    with torch.inference_mode():
        exact = copy.deepcopy(network).double()(images.double()).numpy()
    rounding = float(np.abs(expected - exact).max())  # deep random networks magnify it: torch's own float32 is 1e-4 off
    tolerance = max(1e-4, 1e-4 * float(np.abs(exact).max()), 4 * rounding)
    assert tolerance < 2e-3 * max(1.0, float(np.abs(exact).max()))
    path = tmp_path / "network.onnx"
    export_onnx(network, path, side=side, outputs=["logits"])
    portable = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(portable.run(None, {"images": images.numpy()})[0], expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(compile_onnx(path, precision="f32")(images.numpy())[0], expected, rtol=0, atol=tolerance)
