"""Batch norms moved by unlabelled pictures: what the equation says, what stays, what it repairs, what is refused."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hematovision.config import load_config
from hematovision.errors import GateRefused, UsageError
from hematovision.learning.adaptation import adapt_batch_norms, check_adaptable
from hematovision.learning.backbones import Backbone, load_backbone
from hematovision.learning.backbones.architecture import InputSides
from hematovision.learning.networks import CellNetwork
from hematovision.learning.settings import AdaptationSettings

CHANNELS, PICTURES = 6, 60


def adaptation(prior: float = 0.0, batch_size: int = 100) -> AdaptationSettings:
    return AdaptationSettings(prior=prior, minimum_pictures=8, batch_size=batch_size)


def upper(*middle: nn.Module) -> nn.Sequential:
    return nn.Sequential(*middle, nn.AdaptiveAvgPool2d(1), nn.Flatten(1))


def network_of(blocks: nn.Module, lower: nn.Module | None = None) -> CellNetwork:
    backbone = Backbone(
        lower or nn.Identity(), blocks, CHANNELS, (0, 0, 0), (1, 1, 1), "none", InputSides(8, 8, False), 0
    )
    return CellNetwork(backbone, 2, 1, 0.0, torch.Generator().manual_seed(3)).eval()


@pytest.fixture
def network() -> CellNetwork:
    torch.manual_seed(1)
    made = network_of(
        upper(nn.BatchNorm2d(CHANNELS), nn.Conv2d(CHANNELS, CHANNELS, 1), nn.BatchNorm2d(CHANNELS), nn.ReLU()),
        lower=nn.BatchNorm2d(CHANNELS),
    )
    for norm in (made.upper[0], made.upper[2]):
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.uniform_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    return made


@pytest.fixture
def taps() -> np.ndarray:
    rng = np.random.default_rng(2)
    return (rng.normal(size=(PICTURES, 1, CHANNELS, 4, 4)) * 1.7 + 0.9).astype(np.float16)


def buffers(network: CellNetwork, place: int) -> tuple[np.ndarray, np.ndarray]:
    norm = network.upper[place]
    return norm.running_mean.numpy().copy(), norm.running_var.numpy().copy()


@pytest.mark.parametrize("batch_size", [100, 20, 7])
def test_the_first_norm_takes_the_share_the_equation_says(
    network: CellNetwork, taps: np.ndarray, batch_size: int
) -> None:
    before = buffers(network, 0)
    adapt_batch_norms(network, taps, adaptation(prior=30, batch_size=batch_size))
    seen = taps.astype(np.float64)
    found = seen.mean((0, 1, 3, 4)), seen.var((0, 1, 3, 4))
    for was, new, now in zip(before, found, buffers(network, 0), strict=True):
        np.testing.assert_allclose(now, was / 3 + new * 2 / 3, rtol=1e-4)


def test_a_later_norm_sees_what_the_moved_ones_before_it_hand_on(network: CellNetwork, taps: np.ndarray) -> None:
    adapt_batch_norms(network, taps, adaptation())
    with torch.no_grad():
        entering = network.upper[1](network.upper[0](torch.from_numpy(taps[:, 0]).float())).numpy()
    mean, variance = buffers(network, 2)
    np.testing.assert_allclose(mean, entering.mean((0, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(variance, entering.var((0, 2, 3)), rtol=1e-4)


def test_weights_and_frozen_blocks_stay_and_no_hook_is_left(network: CellNetwork, taps: np.ndarray) -> None:
    before = copy.deepcopy(network.state_dict())
    adapt_batch_norms(network, taps, adaptation(prior=5))
    after = network.state_dict()
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert moved == {f"upper.{place}.running_{which}" for place in (0, 2) for which in ("mean", "var")}
    with torch.no_grad():
        network.from_taps(torch.zeros(4, CHANNELS, 4, 4))
    assert all(torch.equal(tensor, after[name]) for name, tensor in network.state_dict().items())


def test_another_scanners_cells_are_told_apart_again() -> None:
    rng = np.random.default_rng(4)
    truth = np.arange(PICTURES * 4) % 2
    cells = rng.normal(size=(len(truth), CHANNELS, 4, 4))
    cells[:, 0] += np.where(truth, 1.5, -1.5)[:, None, None]
    network = network_of(upper(nn.BatchNorm2d(CHANNELS)))
    network.head.weight.data = torch.tensor([[-1.0] + [0.0] * 5, [1.0] + [0.0] * 5])
    norm = network.upper[0]
    norm.running_var.copy_(torch.from_numpy(cells.var((0, 2, 3))))
    elsewhere = (cells * rng.uniform(0.4, 2.5, (CHANNELS, 1, 1)) + rng.uniform(2, 6, (CHANNELS, 1, 1)))[:, None]

    def right() -> float:
        with torch.no_grad():
            return float(
                (network.from_taps(torch.from_numpy(elsewhere[:, 0]).float()).argmax(1).numpy() == truth).mean()
            )

    assert right() < 0.6
    adapt_batch_norms(network, elsewhere.astype(np.float32), adaptation(prior=16))
    assert right() > 0.95


@given(st.integers(8, 10_000), st.floats(0, 1e6), st.integers(0, 1000))
def test_more_pictures_count_for_more_and_a_stronger_prior_for_less(n: int, prior: float, more: int) -> None:
    share = adaptation(prior).share(n)
    assert 0 < share <= 1 and adaptation(prior).share(n + more) >= share >= adaptation(prior + more).share(n)


def test_too_few_pictures_are_refused(network: CellNetwork, taps: np.ndarray) -> None:
    with pytest.raises(GateRefused, match=r"7 usable pictures .* give 8 or more"):
        adapt_batch_norms(network, taps[:7], adaptation())


@pytest.mark.parametrize("pool", ["average", "flatten", "stages"])
def test_a_head_on_published_features_is_refused(network: CellNetwork, pool: str) -> None:
    learning = load_config(None, {"learning": {"head": {"pool": pool}}}).learning
    check_adaptable(network, learning)
    alone = load_config(None, {"learning": {"head": {"pool": pool}, "training": {"fine_tuning": {"epochs": 0}}}})
    with pytest.raises(UsageError, match="Only the head"):
        check_adaptable(network, alone.learning)


@pytest.mark.parametrize("name", ["timm:test_convnext", "timm:test_vit"])
def test_networks_without_batch_norms_are_refused_by_name(name: str) -> None:
    learning = load_config(None, {"learning": {"backbone": {"name": name, "weights": "none"}}}).learning
    network = CellNetwork(load_backbone(learning.backbone, seed=1), 2, 1, 0.0, torch.Generator())
    with pytest.raises(UsageError, match=f"{name} has no batch norms .* corrected cells"):
        check_adaptable(network, learning)
