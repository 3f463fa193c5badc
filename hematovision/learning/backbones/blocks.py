"""A network as a sequence of blocks, so that fine-tuning may cut it between any two."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Blocks:
    """A network without its classifier, in the order it runs.

    Attributes:
        blocks: normalised images (N, 3, S, S) → maps (N, C, h, w), each fed by the one before.
        pooling: the last map → pooled features (N, width).
    """

    blocks: Sequence[nn.Module]
    pooling: Sequence[nn.Module]

    def cut(self, frozen: int) -> tuple[nn.Sequential, nn.Sequential]:
        """The first `frozen` blocks, and all that follows with the pooling; with 0 the first part is the identity."""
        return nn.Sequential(*self.blocks[:frozen]), nn.Sequential(*self.blocks[frozen:], *self.pooling)


def as_they_are() -> list[nn.Module]:
    """Every place of every channel, (N, C, h, w) → (N, C·h·w)."""
    return [nn.Flatten(1)]


def average_pooling() -> list[nn.Module]:
    """The mean of every channel, (N, C, h, w) → (N, C)."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(1)]


def grouped(layers: Iterable[nn.Module], joins: Callable[[nn.Module], bool]) -> list[nn.Module]:
    """Layers as blocks: one that `joins` belongs to the block before it."""
    groups: list[list[nn.Module]] = []
    for layer in layers:
        if groups and joins(layer):
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return [group[0] if len(group) == 1 else nn.Sequential(*group) for group in groups]


def flattened(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """Layers with every plain `nn.Sequential` opened once: stages become their blocks."""
    return [part for layer in layers for part in (layer if type(layer) is nn.Sequential else [layer])]


def tokens_as_map(tokens: torch.Tensor) -> torch.Tensor:
    """Tokens (N, L, C) → (N, C, L, 1), the form every block hands on."""
    return tokens.transpose(1, 2).unsqueeze(-1)


def map_as_tokens(maps: torch.Tensor) -> torch.Tensor:
    """The inverse of `tokens_as_map`."""
    return maps.squeeze(-1).transpose(1, 2)
