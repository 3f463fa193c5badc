"""Two-phase training on cached features: the head alone, then the upper blocks with it."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn
from torch.nn import functional

from hematovision.learning.backbones import Backbone
from hematovision.learning.features import Features, Views
from hematovision.learning.networks import CellNetwork
from hematovision.learning.settings import PhaseSettings, TrainingSettings

Progress = Callable[[int, int], None]


class Epoch(BaseModel):
    """One row of the learning curves; losses are mean cross-entropies in nats."""

    model_config = ConfigDict(frozen=True)

    phase: str
    epoch: int
    training_loss: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class Part:
    """One side of a fit: row numbers into the features and class numbers, both (N,) int64."""

    rows: np.ndarray
    targets: np.ndarray


@dataclass
class Trained:
    """A trained network in evaluation mode with its learning curves."""

    network: CellNetwork
    curves: list[Epoch] = field(default_factory=list)


def class_weights(targets: np.ndarray, classes: int, *, from_ratio: float) -> torch.Tensor | None:
    """Inverse-frequency weights with mean 1 over samples (King & Zeng 2001), or None where classes are even enough."""
    counts = np.bincount(targets, minlength=classes)
    present = counts[counts > 0]
    if present.max() < from_ratio * present.min():
        return None
    weights = np.where(counts > 0, len(targets) / (len(present) * np.maximum(counts, 1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32)


def epochs_within_budget(phase: PhaseSettings, cells: int) -> int:
    """Epochs of a phase: its own number, fewer where the cells of one epoch are many, never under one."""
    return min(phase.epochs, max(1, phase.image_budget // max(1, cells)))


def _learning_rate(step: int, steps: int) -> float:
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@dataclass
class _Fit:
    """A phase under way: what is fitted, on which inputs, with whose random numbers."""

    name: str
    module: nn.Module
    forward: Callable[[torch.Tensor], torch.Tensor]
    inputs: Views
    phase: PhaseSettings
    weights: torch.Tensor | None
    label_smoothing: float
    generator: torch.Generator

    def batches(self, part: Part) -> list[torch.Tensor]:
        order = torch.randperm(len(part.rows), generator=self.generator)
        size = min(self.phase.batch_size, len(part.rows))
        return [chunk for chunk in torch.split(order, size) if len(chunk) > 1 or size == 1]

    def train_epoch(
        self, part: Part, optimiser: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LambdaLR
    ) -> float:
        self.module.train()
        total = 0.0
        batches = self.batches(part)
        for chosen in batches:
            views = torch.randint(self.inputs.shape[1], (len(chosen),), generator=self.generator)
            picked = self.inputs[part.rows[chosen.numpy()], views.numpy()]
            logits = self.forward(torch.from_numpy(picked).float())
            targets = torch.from_numpy(part.targets[chosen.numpy()])
            loss = functional.cross_entropy(logits, targets, weight=self.weights, label_smoothing=self.label_smoothing)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        return total / max(1, len(batches))

    def validate(self, part: Part) -> tuple[float, float]:
        logits = torch.from_numpy(self.logits(part.rows))
        targets = torch.from_numpy(part.targets)
        loss = functional.cross_entropy(logits, targets, weight=self.weights)
        return float(loss), float((logits.argmax(1) == targets).float().mean())

    def logits(self, rows: np.ndarray) -> np.ndarray:
        self.module.eval()
        with torch.inference_mode():
            parts = [
                self.forward(torch.from_numpy(self.inputs[rows[start : start + 64], 0]).float()).numpy()
                for start in range(0, len(rows), 64)
            ]
        return np.concatenate(parts)

    def run(self, training: Part, validation: Part, progress: Progress | None) -> list[Epoch]:
        """Fit until the epochs end and keep the annealed state, or until patience ends and return to the best one.

        The lowest of many losses on a small validation part is often luck; a schedule that ran its course is trusted.
        """
        epochs = epochs_within_budget(self.phase, len(training.rows))
        steps = epochs * len(self.batches(training))
        optimiser = torch.optim.AdamW(
            self.module.parameters(), lr=self.phase.learning_rate, weight_decay=self.phase.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _learning_rate(step, steps))
        curves: list[Epoch] = []
        best, best_state, since = math.inf, copy.deepcopy(self.module.state_dict()), 0
        for epoch in range(1, epochs + 1):
            training_loss = self.train_epoch(training, optimiser, schedule)
            loss, accuracy = self.validate(validation)
            curves.append(
                Epoch(
                    phase=self.name,
                    epoch=epoch,
                    training_loss=training_loss,
                    validation_loss=loss,
                    validation_accuracy=accuracy,
                )
            )
            if progress:
                progress(epoch, epochs)
            since += 1
            if loss < best:
                best, best_state, since = loss, copy.deepcopy(self.module.state_dict()), 0
            if since >= self.phase.patience:
                self.module.load_state_dict(best_state)
                break
        if progress:
            progress(epochs, epochs)
        return curves


def train(
    features: Features,
    training: Part,
    validation: Part,
    backbone: Backbone,
    classes: Sequence[str],
    settings: TrainingSettings,
    *,
    seed: int,
    threads: int,
    progress: Progress | None = None,
) -> Trained:
    """Train a network; the same arguments give the same weights, bit for bit, on one machine.

    Args:
        features: of all cells; `training` and `validation` pick rows. Validation sees view 0 only.
        seed: of the generator for initial weights, order, views and dropout.
        threads: torch threads; part of what fixes the result.
        progress: called with (epochs done, epochs at most) of the current phase.
    """
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(seed)
    network = CellNetwork(backbone, len(classes), settings.dropout, generator)
    weights = class_weights(training.targets, len(classes), from_ratio=settings.class_weights_from_ratio)
    common = {"weights": weights, "label_smoothing": settings.label_smoothing, "generator": generator}
    head = nn.ModuleList([network.head, network.dropout])
    fits = [_Fit("frozen", head, network.from_pooled, features.pooled, settings.frozen, **common)]  # type: ignore[arg-type]
    if settings.fine_tuning.epochs:
        upper = nn.ModuleList([network.upper, network.head, network.dropout])
        fits.append(_Fit("fine-tuning", upper, network.from_taps, features.taps, settings.fine_tuning, **common))  # type: ignore[arg-type]
    curves = [epoch for fit in fits for epoch in fit.run(training, validation, progress)]
    return Trained(network.eval(), curves)


def predict_logits(network: CellNetwork, features: Features, rows: np.ndarray) -> np.ndarray:
    """Logits (N, classes) float32 of untouched cells (view 0), from the cached output of the frozen blocks."""
    network.eval()
    with torch.inference_mode():
        parts = [
            network.from_taps(torch.from_numpy(features.taps[rows[start : start + 64], 0]).float()).numpy()
            for start in range(0, len(rows), 64)
        ]
    return np.concatenate(parts)
