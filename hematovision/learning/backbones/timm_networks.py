"""timm's networks, described by timm's own pretrained configuration."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from hematovision.errors import UsageError
from hematovision.learning.backbones.architecture import Architecture, InputSides
from hematovision.learning.backbones.blocks import Blocks, flattened, grouped
from hematovision.learning.weights import Checkpoint, Loaded

PREFIX = "timm:"


def timm_names() -> list[str]:
    """Every network timm can build."""
    import timm

    return list(timm.list_models())


def _configuration(name: str) -> dict[str, Any]:
    from timm.models import get_pretrained_cfg

    try:
        found = get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UsageError(f"backbone.name: {error}") from error
    return dict(found.to_dict()) if found else {}  # type: ignore[no-untyped-call]


def _checkpoint(configuration: Mapping[str, Any]) -> Checkpoint | None:
    from huggingface_hub import hf_hub_url

    # A file with a digest in its name can be verified; the hub's safetensors are published without one.
    address, repository = configuration.get("url") or "", configuration.get("hf_hub_id")
    hashed = isinstance(address, str) and re.search(r"-[0-9a-f]{8,}\.pth$", address) is not None
    if configuration.get("custom_load") is True or not (hashed or repository):
        return None
    if not repository:
        return Checkpoint((Path(address).name,), address)
    stored = configuration.get("hf_hub_filename") or "model.safetensors"
    named = f"{configuration['architecture']}.{configuration.get('tag') or 'pretrained'}{Path(stored).suffix}"
    if hashed:
        return Checkpoint((Path(address).name, named), address)
    return Checkpoint((named,), hf_hub_url(repository, stored))


def _split(network: Any) -> Blocks:
    if not hasattr(network, "as_sequential"):
        return Blocks([network], [])
    layers = list(network.as_sequential())
    pool = next(position for position, layer in enumerate(layers) if layer is network.global_pool)
    blocks = grouped(flattened(layers[:pool]), lambda layer: isinstance(layer, nn.BatchNorm2d))
    return Blocks(blocks, [layer for layer in layers[pool:] if not isinstance(layer, nn.Dropout | nn.Identity)])


def _in_order(tensors: Mapping[str, Any], network: nn.Module) -> dict[str, Any]:
    """Tensors of a checkpoint under other names, which follow one another as the network's own do."""
    return dict(zip(network.state_dict(), tensors.values(), strict=True))


def timm_architecture(name: str) -> Architecture:
    """A network of timm, by its name there (with or without a tag).

    Raises:
        UsageError: timm knows no such pretrained tag.
    """
    import timm
    from timm.data.config import resolve_data_config

    name = name.removeprefix(PREFIX)
    configuration = _configuration(name)
    data = resolve_data_config(pretrained_cfg=configuration)  # type: ignore[no-untyped-call]
    side = max(data["input_size"][1:])

    def build() -> nn.Module:
        network: nn.Module = timm.create_model(name, num_classes=0)
        return network

    def restore(loaded: Loaded) -> nn.Module:
        # Only with its own classifier does timm insist on every weight; without, it leaves missing ones random.
        classes = configuration["num_classes"]
        tensors = loaded.tensors
        if not loaded.own_names:
            tensors = _in_order(tensors, timm.create_model(name, num_classes=classes))
        overlay = {"state_dict": tensors}
        network: Any = timm.create_model(name, pretrained=True, num_classes=classes, pretrained_cfg_overlay=overlay)
        network.reset_classifier(0)
        return network  # type: ignore[no-any-return]

    return Architecture(
        name=name,
        library="timm",
        sides=InputSides(
            side, max(configuration.get("min_input_size", (3, 1, 1))[1:]), bool(configuration.get("fixed_input_size"))
        ),
        mean=tuple(data["mean"]),
        deviation=tuple(data["std"]),
        weights=f"timm/{configuration.get('architecture', name)}.{configuration.get('tag', '')}".rstrip("."),
        checkpoint=_checkpoint(configuration),
        licence=configuration.get("license"),
        build=build,
        restore=restore,
        split=_split,
    )
