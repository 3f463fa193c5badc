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

    def cut(self, frozen: int, summarised: Sequence[int] = ()) -> tuple[nn.Sequential, nn.Sequential]:
        """The first `frozen` blocks, and all that follows with the pooling; with 0 the first part is the identity.

        Args:
            summarised: numbers of blocks whose maps are summarised too; those before the last frozen one are not seen.
        """
        after = [block - frozen for block in summarised if block >= frozen - 1]
        upper = [*self.blocks[frozen:], *self.pooling]
        return nn.Sequential(*self.blocks[:frozen]), MapPooling(upper, after) if after else nn.Sequential(*upper)


class MapPooling(nn.Sequential):
    """Layers up to the pooling that hand on more than the last map: maps (N, C, h, w) → features (N, width).

    Early maps keep what late ones have given up for ImageNet's classes: grain, colour, the edge of a nucleus. Source:
    Hariharan et al. 2015, Hypercolumns (CVPR), here for a whole picture.
    """

    def __init__(self, layers: Sequence[nn.Module], after: Sequence[int]) -> None:
        """Take the layers, and the numbers of those whose output is summarised; -1 is what comes in."""
        super().__init__(*layers)
        self.after = frozenset(after)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Summaries in the order of the layers, then the pooled features."""
        found = [mean_and_deviation(maps)] if -1 in self.after else []
        for number, layer in enumerate(self):
            maps = layer(maps)
            if number in self.after:
                found.append(mean_and_deviation(maps))
        return torch.cat([*found, maps], 1)


def mean_and_deviation(maps: torch.Tensor) -> torch.Tensor:
    """Of each channel, (N, C, h, w) → (N, 2C)."""
    mean = maps.mean((2, 3))
    variance = ((maps - mean[:, :, None, None]) ** 2).mean((2, 3))
    return torch.cat([mean, (variance + 1e-12).sqrt()], 1)


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
