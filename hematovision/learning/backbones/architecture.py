"""What is known of a network before it is built: its sides, its normalisation, its published weights."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from hematovision.errors import UsageError
from hematovision.learning.backbones.blocks import Blocks
from hematovision.learning.weights import Checkpoint, Loaded


@dataclass(frozen=True)
class InputSides:
    """Sides of the square pictures a network takes, in pixels.

    Attributes:
        published: what the weights were scored with.
        smallest: what the network can take at all.
        fixed: no other side than the published one fits.
    """

    published: int
    smallest: int
    fixed: bool

    def bounds(self, smallest: int, largest: int) -> tuple[int, int]:
        """Bounds a user asked for, moved to where this network can follow."""
        if self.fixed:
            return self.published, self.published
        return max(smallest, self.smallest), max(largest, self.smallest)

    def check(self, name: str, side: int) -> None:
        """Refuse a side the network cannot take.

        Raises:
            UsageError: naming the side that fits.
        """
        if self.fixed and side != self.published:
            raise UsageError(f"image_size: {name} takes pictures of {self.published} px and no others, not {side} px.")
        if side < self.smallest:
            raise UsageError(f"image_size: {name} takes pictures of {self.smallest} px or more, not {side} px.")


@dataclass(frozen=True)
class Architecture:
    """A network by name.

    Attributes:
        library: torchvision or timm.
        mean, deviation: per-channel normalisation of pixels in 0–1, as the weights were trained with.
        weights: the published weights' own name. checkpoint: where they are found; None where none are published.
        licence: of the weights, where the library's metadata says; None where it does not.
        build: the network with weights drawn at random.
        restore: the network with the weights of a checkpoint, every one of them accounted for.
        split: the network as blocks, its classifier left out.
    """

    name: str
    library: str
    sides: InputSides
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    weights: str
    checkpoint: Checkpoint | None
    licence: str | None
    build: Callable[[], nn.Module]
    restore: Callable[[Loaded], nn.Module]
    split: Callable[[Any], Blocks]
