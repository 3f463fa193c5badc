"""torchvision's classifiers, described by torchvision's own weights metadata."""

import inspect
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hematovision.learning.backbones.architecture import Architecture, InputSides
from hematovision.learning.backbones.families import FAMILIES
from hematovision.learning.weights import Checkpoint, Loaded

# Stochastic depth draws from torch's global state, so that a seed would no longer give the same model: it stays off.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "convnext": {"stochastic_depth_prob": 0.0},
    "efficientnet": {"stochastic_depth_prob": 0.0},
    "inception": {"init_weights": False},
}


def _family(name: str) -> str:
    from torchvision.models import get_model_builder

    module: str = inspect.unwrap(get_model_builder(name)).__module__
    return module.rsplit(".", 1)[-1]


def torchvision_names() -> list[str]:
    """Every torchvision classifier of a known family that has ImageNet-1k weights."""
    from torchvision import models

    return [
        name
        for name in models.list_models(module=models)
        if _family(name) in FAMILIES and "IMAGENET1K_V1" in models.get_model_weights(name).__members__
    ]


def _renamed(key: str) -> str:
    # DenseNet's checkpoints are older than torchvision's names: `norm.1` became `norm1` (torchvision.models.densenet).
    return re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2", key)


def torchvision_architecture(name: str) -> Architecture:
    """One of `torchvision_names`."""
    from torchvision.models import get_model, get_model_weights

    family = _family(name)
    published = get_model_weights(name)["IMAGENET1K_V1"]
    preset = published.transforms()

    def build() -> nn.Module:
        network: nn.Module = get_model(name, weights=None, **ARGUMENTS.get(family, {}))
        return network

    def restore(loaded: Loaded) -> nn.Module:
        with torch.device("meta"):
            network = build()
        tensors = {_renamed(name): tensor for name, tensor in loaded.tensors.items()}
        network.load_state_dict(tensors, strict=True, assign=True)
        return network

    return Architecture(
        name=name,
        library="torchvision",
        sides=InputSides(preset.crop_size[0], published.meta["min_size"][0], family == "vision_transformer"),
        mean=tuple(preset.mean),
        deviation=tuple(preset.std),
        weights=str(published),
        checkpoint=Checkpoint((Path(published.url).name,), published.url),
        licence=published.meta.get("license"),
        build=build,
        restore=restore,
        split=FAMILIES[family],
    )
