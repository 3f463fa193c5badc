"""Two-phase training on cached features: a head on frozen features, then the upper blocks with a head of their own.

The first phase is the baseline that fine-tuning has to beat, then on the orientations of the cells as they are, and
all there is where fine-tuning is left out, then on every view.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hematovision.errors import UsageError
from hematovision.learning.arithmetic import Arithmetic, choose_arithmetic
from hematovision.learning.backbones import Backbone
from hematovision.learning.checkpoints import Checkpoints
from hematovision.learning.curves import Epoch
from hematovision.learning.features import Features, Views
from hematovision.learning.fitting import Fit, Part, average_logits, class_weights, weighted_offsets
from hematovision.learning.logistic import solve_head
from hematovision.learning.networks import CellNetwork
from hematovision.learning.settings import LearningSettings, PhaseSettings
from hematovision.progress import Progress


@dataclass
class Trained:
    """A trained network in evaluation mode with its learning curves; whether its blocks are still the backbone's."""

    network: CellNetwork
    curves: list[Epoch] = field(default_factory=list)
    head_only: bool = False


@dataclass(frozen=True)
class WarmStart:
    """A network to go on from, and what is new to it.

    Attributes:
        learnt: what `CellNetwork.learnt` gave of a network for the same classes.
        fresh: content hashes of cells it has not seen.
    """

    learnt: Mapping[str, torch.Tensor]
    fresh: frozenset[str]


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
    start: WarmStart | None = None,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train a network; the same arguments give the same weights, bit for bit, on one machine.

    Args:
        features: of all cells; `training` and `validation` pick rows. Validation sees a cell as it lies.
        seed: of the generator for initial weights, order, views and dropout.
        threads: torch threads; part of what fixes the result.
        start: goes on from there, with the second phase alone; `training` says which rows are fresh.
        checkpoints: folder to resume from after a kill and to keep the state of every epoch in; removed at the end.
        progress: called with (epochs done, epochs at most) of the current phase.
    """
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(seed)
    network = CellNetwork(
        backbone, len(classes), settings.orientations, settings.training.dropout, generator, settings.head.hidden
    )
    kept = Checkpoints(checkpoints) if checkpoints else None
    if not settings.head_alone:
        features = features.pooled_to(settings.orientations)
    weights = class_weights(training.targets, len(classes), from_ratio=settings.training.class_weights_from_ratio)
    lifted = weighted_offsets(weights)
    phases = _Phases(network, features, settings, weights, generator, kept)
    curves: list[Epoch] = []
    if start is None:
        if settings.head.pool != "flatten" and isinstance(features.pooled, np.ndarray):
            network.standardise_on(features.pooled[training.rows])
        curves += phases.head(training, validation, progress)
    else:
        network.recall(start.learnt)
        network.shift(lifted)
    if not settings.head_alone:
        if start is None:
            # Batch norms now follow the cells: to a head that knows the features of before, theirs are noise.
            network.renew_head(generator)
        curves += phases.fine_tuning().run(training, validation, progress)
    # Weights helped to learn the rare classes; an answer is for cells as common as they are.
    network.shift(-lifted)
    if kept:
        kept.clear()
    return Trained(network.eval(), curves, head_only=start is None and settings.head_alone)


@dataclass(frozen=True)
class _Phases:
    network: CellNetwork
    features: Features
    settings: LearningSettings
    weights: torch.Tensor | None
    generator: torch.Generator
    checkpoints: Checkpoints | None

    def head(self, training: Part, validation: Part, progress: Progress | None) -> list[Epoch]:
        """The first phase, by whichever solver."""
        solver, pooled = self.settings.training.solver, self.features.pooled
        if solver.method == "adamw":
            return self.frozen().run(training, validation, progress)
        if not isinstance(pooled, np.ndarray):
            raise UsageError(
                "These features are too wide for lbfgs: set learning.head.pool: stages or average, or "
                "learning.training.solver.method: adamw."
            )
        return solve_head(self.network, pooled, training, validation, solver, self.weights)

    def frozen(self) -> Fit:
        head: list[nn.Module] = [self.network.hidden, self.network.head]
        module = nn.ModuleList([self.network.dropout, *head])
        phase = self.settings.training.frozen
        return self._fit("frozen", module, head, self.network.from_pooled, self.features.pooled, phase)

    def fine_tuning(self) -> Fit:
        head: list[nn.Module] = [self.network.hidden, self.network.head]
        module = nn.ModuleList([self.network.upper, self.network.dropout, *head])
        blocks = [*self.network.upper.children(), *head]
        phase = self.settings.training.fine_tuning
        module = module.to(memory_format=torch.channels_last)
        arithmetic = choose_arithmetic(self.settings.training.precision)
        return self._fit("fine-tuning", module, blocks, self.network.from_taps, self.features.taps, phase, arithmetic)

    def _fit(
        self,
        name: str,
        module: nn.Module,
        blocks: Sequence[nn.Module],
        forward: Callable[[torch.Tensor], torch.Tensor],
        inputs: Views,
        phase: PhaseSettings,
        arithmetic: Arithmetic = "f32",
    ) -> Fit:
        return Fit(
            name,
            module,
            blocks,
            forward,
            inputs,
            phase,
            self.weights,
            self.settings.training.label_smoothing,
            self.generator,
            self.checkpoints,
            arithmetic,
        )


def predict_logits(
    network: CellNetwork, features: Features, rows: np.ndarray, *, head_only: bool = False
) -> np.ndarray:
    """Logits (N, classes) float32 of cells by row, from the cached output of the frozen blocks.

    Args:
        head_only: no other block was trained, so that the cached pooled features are the network's own.
    """
    network.eval()
    if head_only:
        return average_logits(network.from_pooled, features.pooled, rows, network.orientations)
    return average_logits(network.from_taps, features.taps, rows, network.orientations)
