"""Heat maps: they point at what decides, and networks without a map of the picture are told apart."""

import numpy as np
import pytest
import torch
from torch import nn

from hematovision.config import load_config
from hematovision.learning.backbones import Backbone, load_backbone
from hematovision.learning.backbones.random_start import initialise
from hematovision.learning.heatmaps import NoSpatialMap, heat_maps, last_spatial_block
from hematovision.learning.networks import CellNetwork

SIDE, PATCH = 48, 12


def cut(lower: nn.Module, upper: nn.Module) -> Backbone:
    """A backbone of these parts with pooled features of length 12; what a heat map has no use for is left out."""
    backbone = object.__new__(Backbone)
    for name, value in {"lower": lower, "upper": upper, "width": 12}.items():
        object.__setattr__(backbone, name, value)
    return backbone


def cells(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise with one patch, red or green, in a random quadrant: pictures, classes, and the patches' corners."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 0.3, (count, 3, SIDE, SIDE)).astype(np.float32)
    classes = np.arange(count) % 2
    corners = rng.integers(0, 2, (count, 2)) * (SIDE // 2) + 6
    for image, number, (top, left) in zip(images, classes, corners, strict=True):
        image[number, top : top + PATCH, left : left + PATCH] += 2
    return images, classes, corners


@pytest.fixture(scope="module", params=[1, 4])
def trained(request: pytest.FixtureRequest) -> CellNetwork:
    """A tiny network, `weights: none`, that has learnt which colour the patch has, answering over one or four turns."""
    generator = torch.Generator().manual_seed(1)
    lower = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
    upper = nn.Sequential(nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
    for part in (lower, upper):
        initialise(part, generator)
    network = CellNetwork(cut(lower, upper), classes=2, orientations=request.param, dropout=0.0, generator=generator)
    images, classes, _ = cells(128, 0)
    optimiser = torch.optim.Adam([*network.upper.parameters(), *network.head.parameters()], lr=0.01)
    for _ in range(60):
        loss = nn.functional.cross_entropy(network(torch.from_numpy(images)), torch.from_numpy(classes))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def test_the_map_points_at_the_patch_that_decides(trained: CellNetwork) -> None:
    images, classes, corners = cells(24, 7)
    with torch.inference_mode():
        assert (trained(torch.from_numpy(images)).argmax(1).numpy() == classes).all()
    maps = heat_maps(trained, images, classes.tolist(), batch=10)
    assert maps.shape == (24, SIDE, SIDE)
    assert maps.min() >= 0 and maps.max() <= 1
    inside = np.zeros(maps.shape, dtype=bool)
    for mask, (top, left) in zip(inside, corners, strict=True):
        mask[top : top + PATCH, left : left + PATCH] = True
    share = (maps * inside).sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    chance = (PATCH / SIDE) ** 2
    assert np.median(share) > 5 * chance
    strongest = [mask[np.unravel_index(heat.argmax(), heat.shape)] for mask, heat in zip(inside, maps, strict=True)]
    assert np.mean(strongest) > 0.9


def test_the_map_is_of_the_class_asked_for(trained: CellNetwork) -> None:
    images, classes, corners = cells(8, 9)
    of_truth, of_other = (heat_maps(trained, images, target.tolist()) for target in (classes, 1 - classes))
    places = [(slice(top, top + PATCH), slice(left, left + PATCH)) for top, left in corners]
    means = [[heat[place].mean() for heat, place in zip(maps, places, strict=True)] for maps in (of_truth, of_other)]
    assert np.mean(means[0]) > 3 * np.mean(means[1])


def test_the_network_is_left_as_it_was(trained: CellNetwork) -> None:
    images, classes, _ = cells(2, 3)
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    wanted = [parameter.requires_grad for parameter in trained.parameters()]
    first = heat_maps(trained, images, classes.tolist())
    assert np.array_equal(first, heat_maps(trained, images, classes.tolist()))
    assert all(torch.equal(before[name], tensor) for name, tensor in trained.state_dict().items())
    assert [parameter.requires_grad for parameter in trained.parameters()] == wanted
    assert all(parameter.grad is None for parameter in trained.parameters())
    assert not any(module._forward_hooks for module in trained.modules())
    assert heat_maps(trained, images[:0], []).shape == (0, SIDE, SIDE)


def test_the_last_block_of_a_real_backbone_is_found() -> None:
    settings = load_config(None, {"learning": {"backbone": {"weights": "none"}}}).learning.backbone
    network = CellNetwork(load_backbone(settings, seed=1), 3, 4, 0.0, torch.Generator().manual_seed(1))
    found = last_spatial_block(network, 64)
    shapes = []
    handle = found.register_forward_hook(lambda *parts: shapes.append(tuple(parts[-1].shape)))
    network(torch.zeros(1, 3, 64, 64))
    handle.remove()
    assert shapes == [(4, 1280, 2, 2)], "the last map before the pooling, of four turns"


class Tokens(nn.Module):
    """Patches as a sequence, the way of vision transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, 8)
        self.mixed = nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.mixed(self.patches(images).flatten(2).transpose(1, 2)).mean(1))
        return logits


def test_a_network_of_tokens_is_refused_in_words() -> None:
    with pytest.raises(NoSpatialMap, match="not available for this backbone"):
        heat_maps(Tokens(), np.zeros((1, 3, 32, 32), np.float32), [0])
