"""The network that is trained: frozen blocks, upper blocks, dropout and a linear head."""

import copy

import torch
from torch import nn

from hematovision.learning.backbones import Backbone


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


class CellNetwork(nn.Module):
    """A backbone with a head: normalised (N, 3, S, S) float32 → logits (N, classes)."""

    def __init__(self, backbone: Backbone, classes: int, dropout: float, generator: torch.Generator) -> None:
        super().__init__()
        self.lower = copy.deepcopy(backbone.lower)
        self.upper = copy.deepcopy(backbone.upper)
        self.dropout = SeededDropout(dropout, generator)
        self.head = nn.Linear(backbone.width, classes)
        nn.init.normal_(self.head.weight, std=0.01, generator=generator)
        nn.init.zeros_(self.head.bias)
        self.lower.requires_grad_(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of whole pictures."""
        return self.from_taps(self.lower(images))

    def from_taps(self, taps: torch.Tensor) -> torch.Tensor:
        """Logits from the output of the frozen blocks."""
        return self.from_pooled(self.upper(taps))

    def from_pooled(self, pooled: torch.Tensor) -> torch.Tensor:
        """Logits from pooled features."""
        logits: torch.Tensor = self.head(self.dropout(pooled))
        return logits
