"""Backbones by name: the network, its own normalisation, and where fine-tuning may cut it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hematovision.errors import UsageError
from hematovision.learning.settings import BackboneSettings
from hematovision.learning.weights import state_dict


@dataclass(frozen=True)
class Backbone:
    """A feature extractor cut in two.

    Attributes:
        lower: frozen blocks, (N, 3, S, S) normalised float32 → (N, C, h, w).
        upper: the blocks fine-tuning may change, (N, C, h, w) → pooled (N, width).
        width: length of the pooled feature vector.
        mean, deviation: per-channel normalisation of pixels in 0–1, as the weights were trained with.
        weights: name of the torchvision weights, or `none`.
    """

    lower: nn.Module
    upper: nn.Module
    width: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    weights: str


def _mobilenet_v2(network: Any, frozen_blocks: int) -> tuple[nn.Module, nn.Module, int]:
    if frozen_blocks >= len(network.features):
        raise UsageError(
            f"frozen_blocks: mobilenet_v2 has {len(network.features)} blocks; keep at least one for fine-tuning."
        )
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
    upper = nn.Sequential(*network.features[frozen_blocks:], *pool)
    return network.features[:frozen_blocks], upper, network.last_channel


CUTS = {"mobilenet_v2": _mobilenet_v2}


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw random weights from the generator handed in (He et al. 2015), never from torch's global state."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def load_backbone(settings: BackboneSettings, *, seed: int) -> Backbone:
    """Build a backbone in evaluation mode.

    Raises:
        UsageError: an unknown name or an impossible cut.
        HematoVisionError: the weights are missing or altered.
    """
    from torchvision.models import get_model, get_model_weights

    if settings.name not in CUTS:
        raise UsageError(f"backbone.name: no backbone {settings.name!r}; known: {', '.join(sorted(CUTS))}.")
    published = get_model_weights(settings.name).IMAGENET1K_V1
    network = get_model(settings.name, weights=None)
    if settings.weights == "none":
        initialise(network, torch.Generator().manual_seed(seed))
    else:
        network.load_state_dict(state_dict(published), strict=True)
    lower, upper, width = CUTS[settings.name](network, settings.frozen_blocks)
    preset = published.transforms()
    name = "none" if settings.weights == "none" else str(published)
    return Backbone(lower.eval(), upper.eval(), width, tuple(preset.mean), tuple(preset.std), name)
