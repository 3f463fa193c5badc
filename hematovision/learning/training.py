"""Two-phase training on cached features: the head alone, then the upper blocks with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hematovision.learning.backbones import Backbone
from hematovision.learning.checkpoints import Checkpoints
from hematovision.learning.features import Features
from hematovision.learning.fitting import Epoch, Fit, Part, Progress, average_logits, class_weights
from hematovision.learning.networks import CellNetwork
from hematovision.learning.settings import LearningSettings


@dataclass
class Trained:
    """A trained network in evaluation mode with its learning curves."""

    network: CellNetwork
    curves: list[Epoch] = field(default_factory=list)


def train(
    features: Features,
    training: Part,
    validation: Part,
    backbone: Backbone,
    classes: Sequence[str],
    settings: LearningSettings,
    *,
    seed: int,
    threads: int,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train a network; the same arguments give the same weights, bit for bit, on one machine.

    Args:
        features: of all cells; `training` and `validation` pick rows. Validation sees a cell's orientations only.
        seed: of the generator for initial weights, order, views and dropout.
        threads: torch threads; part of what fixes the result.
        checkpoints: folder to resume from after a kill and to keep the state of every epoch in; removed at the end.
        progress: called with (epochs done, epochs at most) of the current phase.
    """
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(seed)
    network = CellNetwork(backbone, len(classes), settings.orientations, settings.training.dropout, generator)
    network.standardise_on(features.pooled[training.rows])
    kept = Checkpoints(checkpoints) if checkpoints else None
    weights = class_weights(training.targets, len(classes), from_ratio=settings.training.class_weights_from_ratio)
    curves: list[Epoch] = []
    for fit in _phases(network, features, settings, weights, generator, kept):
        curves += fit.run(training, validation, progress)
    if kept:
        kept.clear()
    return Trained(network.eval(), curves)


def _phases(
    network: CellNetwork,
    features: Features,
    settings: LearningSettings,
    weights: torch.Tensor | None,
    generator: torch.Generator,
    checkpoints: Checkpoints | None,
) -> list[Fit]:
    chosen = settings.training
    rest = (settings.orientations, weights, chosen.label_smoothing, generator, checkpoints)
    head: list[nn.Module] = [network.head]
    module = nn.ModuleList([network.dropout, *head])
    phases = [Fit("frozen", module, head, network.from_pooled, features.pooled, chosen.frozen, *rest)]
    if chosen.fine_tuning.epochs:
        blocks = [*network.upper.children(), *head]
        module = nn.ModuleList([network.upper, network.dropout, *head]).to(memory_format=torch.channels_last)
        phases.append(Fit("fine-tuning", module, blocks, network.from_taps, features.taps, chosen.fine_tuning, *rest))
    return phases


def predict_logits(network: CellNetwork, features: Features, rows: np.ndarray) -> np.ndarray:
    """Logits (N, classes) float32 of cells by row, from the cached output of the frozen blocks."""
    network.eval()
    return average_logits(network.from_taps, features.taps, rows, network.orientations)
