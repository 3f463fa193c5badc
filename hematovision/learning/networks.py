"""The network that is trained: frozen blocks, upper blocks, a hidden layer where asked for, dropout, a linear head."""

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from hematovision.errors import HematoVisionError
from hematovision.learning.backbones import Backbone

_FROZEN = "lower."
_LEAST_SPREAD = 0.1  # of the mean spread: a feature that hardly varies is not blown up


class SeededDropout(nn.Module):
    """Dropout (Srivastava et al. 2014) that draws from a generator handed in instead of torch's global state."""

    def __init__(self, probability: float, generator: torch.Generator) -> None:
        super().__init__()
        self.probability = probability
        self.generator = generator

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs of any shape; the identity in evaluation mode."""
        if not self.training or self.probability == 0:
            return inputs
        kept = torch.empty_like(inputs).bernoulli_(1 - self.probability, generator=self.generator)
        return inputs * kept / (1 - self.probability)


def learnt_part(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a whole `CellNetwork` that are not of its frozen blocks."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(_FROZEN)}


class CellNetwork(nn.Module):
    """A backbone with a head: normalised (N, 3, S, S) float32 → logits (N, classes).

    A cell has no upright position: the logits are the mean over `orientations` quarter turns of the picture.
    """

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        orientations: int,
        dropout: float,
        generator: torch.Generator,
        hidden: int = 0,
    ) -> None:
        super().__init__()
        self.orientations = orientations
        self.lower = copy.deepcopy(backbone.lower)
        self.upper = copy.deepcopy(backbone.upper)
        self.hidden = nn.Sequential(nn.Linear(backbone.width, hidden), nn.ReLU()) if hidden else nn.Sequential()
        self.dropout = SeededDropout(dropout, generator)
        self.head = nn.Linear(hidden or backbone.width, classes)
        self.register_buffer("centre", torch.zeros(backbone.width))
        self.register_buffer("spread", torch.ones(backbone.width))
        self.renew_head(generator)
        self.lower.requires_grad_(False)

    def renew_head(self, generator: torch.Generator) -> None:
        """Forget what the head has learnt, and how pooled features were standardised."""
        for layer in self.hidden.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight, generator=generator)
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.head.weight, std=0.01, generator=generator)
        nn.init.zeros_(self.head.bias)
        self.centre.zero_()
        self.spread.fill_(1)

    def standardise_on(self, pooled: np.ndarray) -> None:
        """Bring pooled features to mean 0 and deviation about 1, as measured on training cells (N, V, D)."""
        flat = torch.from_numpy(pooled.reshape(-1, pooled.shape[-1]))
        self.centre.copy_(flat.mean(0))
        spread = flat.std(0)
        self.spread.copy_((spread + _LEAST_SPREAD * spread.mean()).clamp_min(torch.finfo(torch.float32).tiny))

    def shift(self, offsets: torch.Tensor | float) -> None:
        """Add a number, or (classes,), to the logits of every answer from now on."""
        with torch.no_grad():
            self.head.bias.add_(offsets)

    def learnt(self) -> dict[str, torch.Tensor]:
        """Everything but the frozen blocks, which are the backbone's own."""
        return learnt_part(self.state_dict())

    def recall(self, learnt: Mapping[str, torch.Tensor]) -> None:
        """Become the network that had learnt this.

        Raises:
            HematoVisionError: it was another kind of network, or one for other classes.
        """
        expected = self.learnt()
        wrong = expected.keys() ^ learnt.keys() or {
            name for name, tensor in expected.items() if tensor.shape != learnt[name].shape
        }
        if wrong:
            raise HematoVisionError(
                f"the network to go on from differs in {', '.join(sorted(wrong)[:3])}: it has another backbone "
                "or head, or other classes; train anew"
            )
        self.load_state_dict(dict(learnt), strict=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of whole pictures."""
        return self.answer(images)[0]

    def answer(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of whole pictures, and what the frozen blocks made of them as they lie (N, C, h, w)."""
        turns = [_turned(images, turn * 4 // self.orientations) for turn in range(self.orientations)]
        taps = self.lower(torch.cat(turns))
        logits = self.from_taps(taps).reshape(self.orientations, -1, self.head.out_features)
        return logits.mean(0), taps[: taps.shape[0] // self.orientations]

    def from_taps(self, taps: torch.Tensor) -> torch.Tensor:
        """Logits from the output of the frozen blocks, one orientation at a time."""
        if taps.ndim == 4:
            taps = taps.contiguous(memory_format=torch.channels_last)
        return self.from_pooled(self.upper(taps))

    def from_pooled(self, pooled: torch.Tensor) -> torch.Tensor:
        """Logits from pooled features."""
        logits: torch.Tensor = self.head(self.dropout(self.hidden((pooled - self.centre) / self.spread)))
        return logits


def _turned(images: torch.Tensor, quarters: int) -> torch.Tensor:
    """(N, C, S, S) turned counter-clockwise as `torch.rot90` does, in operators that ONNX has."""
    if quarters == 0:
        return images
    if quarters == 2:
        return images.flip(2, 3)
    return images.transpose(2, 3).flip(2 if quarters == 1 else 3)
