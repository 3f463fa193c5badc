"""Random weights from a generator handed in, never from torch's global state."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hematovision.learning.backbones.architecture import Architecture
from hematovision.learning.backbones.blocks import Blocks


class DrawsFrom(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While in force in this thread, every random number a library draws comes from one generator."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.generator = generator

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        seeded = {"default": "generator", "low": "low_generator"}.get(func._overloadname, "")
        if not any(argument.name == "generator" for argument in func._schema.arguments):
            if seeded not in func.overloadpacket.overloads():
                return func(*args, **named)
            func = getattr(func.overloadpacket, seeded)
        if named.get("generator") is None:
            named["generator"] = self.generator
        return func(*args, **named)


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw convolutions and linear layers (He et al. 2015) from the generator handed in."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def random_blocks(architecture: Architecture, *, seed: int) -> Blocks:
    """A network with random weights, fixed by the seed; what `initialise` leaves alone is the library's own start."""
    with DrawsFrom(torch.Generator().manual_seed(seed)):
        parts = architecture.split(architecture.build())
    initialise(nn.ModuleList([*parts.blocks, *parts.pooling]), torch.Generator().manual_seed(seed))
    return parts
