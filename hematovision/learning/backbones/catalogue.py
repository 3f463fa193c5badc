"""Which network a name stands for, and what can be said of it without its weights."""

import difflib
import functools
from dataclasses import dataclass

import torch
from torch import nn

from hematovision.errors import UsageError
from hematovision.learning.backbones.architecture import Architecture
from hematovision.learning.backbones.blocks import Blocks
from hematovision.learning.backbones.timm_networks import PREFIX, timm_architecture, timm_names
from hematovision.learning.backbones.torchvision_networks import torchvision_architecture, torchvision_names
from hematovision.learning.settings import Pool

LISTED = (
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "tf_efficientnet_lite0",
    "resnet18",
    "resnet50",
    "densenet121",
    "inception_v3",
    "convnext_tiny",
    "vgg16",
    "vit_b_16",
)
"""What the table shows and the tests train; any other name of torchvision's families or of timm works as well."""


@functools.cache
def find_architecture(name: str) -> Architecture:
    """The network of a name: torchvision's where torchvision has it, else timm's; `timm:NAME` is always timm's.

    Raises:
        UsageError: nobody has it; the message lists names that are near.
    """
    if not name.startswith(PREFIX) and name in torchvision_names():
        return torchvision_architecture(name)
    import timm

    if timm.is_model(name.removeprefix(PREFIX)):
        return timm_architecture(name)
    raise UsageError(_unknown(name))


def _unknown(name: str) -> str:
    known = timm_names() if name.startswith(PREFIX) else [*LISTED, *torchvision_names(), *timm_names()]
    near = difflib.get_close_matches(name.removeprefix(PREFIX), list(dict.fromkeys(known)), n=5)
    nearest = f"near it are {', '.join(near)}" if near else f"for instance {', '.join(LISTED)}"
    return f"backbone.name: no backbone {name!r}; {nearest}. `hematovision backbones` shows them."


@dataclass(frozen=True)
class Description:
    """What a network is made of, its classifier left out.

    Attributes:
        blocks: how many fine-tuning may cut between; 1 means that the network cannot be cut.
        frozen_blocks: where `auto` cuts.
        width: length of the pooled feature vector.
        parameters: weights of the network.
        maps: every block but the last, and how many channels its map has.
        stages: those of them that are the last of their resolution.
    """

    blocks: int
    frozen_blocks: int
    width: int
    parameters: int
    maps: dict[int, int]
    stages: dict[int, int]

    def beside_the_last(self, pool: Pool, frozen: int) -> dict[int, int]:
        """The blocks whose maps a head sees besides the last one's: what frozen blocks hand on, and what follows."""
        chosen = {"stages": self.stages, "blocks": self.maps}.get(pool, {})
        return {block: channels for block, channels in chosen.items() if block >= frozen - 1}


def _automatic_cut(sides: list[int], published: int) -> int:
    """Freeze the blocks with maps above a sixteenth of the picture: they cost most and know edges and textures.

    Where there are none, as in a network of tokens, the first half of the blocks is frozen (Yosinski et al. 2014 on
    which layers transfer). `sides` are the smaller sides of the blocks' outputs.
    """
    large = next((position for position, side in enumerate(sides) if 16 * side <= published), len(sides) - 1)
    return large or len(sides) // 2


@functools.cache
def _on_meta(name: str) -> Blocks:
    """The network without numbers, in evaluation mode: for shapes and counts alone."""
    architecture = find_architecture(name)
    with torch.device("meta"):
        return architecture.split(architecture.build().eval())


def _one_picture(name: str) -> torch.Tensor:
    side = find_architecture(name).sides.published
    return torch.zeros(1, 3, side, side, device="meta")


@functools.cache
def describe(name: str) -> Description:
    """Trace a network through its shapes; no weights are needed.

    Raises:
        UsageError: an unknown name.
    """
    parts, maps = _on_meta(name), _one_picture(name)
    sides, channels = [], []
    whole = nn.ModuleList([*parts.blocks, *parts.pooling])
    with torch.no_grad():
        for block in parts.blocks:
            maps = block(maps)
            sides.append(min(maps.shape[2:], default=0))
            channels.append(maps.shape[1])
        pooled = nn.Sequential(*parts.pooling)(maps)
    return Description(
        blocks=len(parts.blocks),
        frozen_blocks=_automatic_cut(sides, find_architecture(name).sides.published),
        width=pooled.shape[1],
        parameters=sum(weight.numel() for weight in whole.parameters()),
        maps=dict(enumerate(channels[:-1])),
        stages={block: channels[block] for block in range(len(sides) - 1) if sides[block] > sides[block + 1]},
    )


@functools.cache
def flattened_width(name: str, side: int) -> int:
    """How many values the last map of one picture of this side, in pixels, holds."""
    maps = torch.zeros(1, 3, side, side, device="meta")
    with torch.no_grad():
        for block in _on_meta(name).blocks:
            maps = block(maps)
    return maps.numel()


def multiplications(name: str) -> int:
    """Multiply-accumulate operations for one picture of the published side; half of what torch counts as FLOPs."""
    from torch.utils.flop_counter import FlopCounterMode

    _, network = _on_meta(name).cut(0)
    with FlopCounterMode(display=False) as counter:
        network(_one_picture(name))
    return int(counter.get_total_flops() // 2)
