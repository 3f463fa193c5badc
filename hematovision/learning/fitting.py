"""One phase of training: batches, schedule, averaged weights, early stopping, and where it stands when it is killed."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hematovision.learning.arithmetic import Arithmetic, computing_in
from hematovision.learning.checkpoints import Checkpoints, PhaseState
from hematovision.learning.curves import Epoch
from hematovision.learning.features import Views
from hematovision.learning.settings import PhaseSettings
from hematovision.progress import Progress

_ANSWER_BATCH = 64


@dataclass(frozen=True)
class Part:
    """One side of a fit: row numbers into the features and class numbers, both (N,) int64.

    Attributes:
        fresh: (N,) bool, which rows a network that is trained on has not seen yet. Where given, an epoch is all of
            these and `rehearsed` times as many of the others, drawn anew each time: rehearsal (Robins 1995), against
            forgetting.
    """

    rows: np.ndarray
    targets: np.ndarray
    fresh: np.ndarray | None = None
    rehearsed: int = 1

    @property
    def epoch_cells(self) -> int:
        """Cells of one epoch."""
        return len(self.rows) if self.fresh is None else (1 + self.rehearsed) * int(self.fresh.sum())

    def order(self, generator: torch.Generator) -> torch.Tensor:
        """Positions (epoch_cells,) for one epoch, shuffled."""
        if self.fresh is None:
            return torch.randperm(len(self.rows), generator=generator)
        fresh, known = (torch.from_numpy(np.flatnonzero(chosen)) for chosen in (self.fresh, ~self.fresh))
        wanted = self.rehearsed * len(fresh)
        rounds = -(-wanted // max(1, len(known)))
        drawn = torch.cat([torch.randperm(len(known), generator=generator) for _ in range(rounds)])[:wanted]
        both = torch.cat([fresh, known[drawn]])
        return both[torch.randperm(len(both), generator=generator)]


def class_weights(targets: np.ndarray, classes: int, *, from_ratio: float) -> torch.Tensor | None:
    """Inverse-frequency weights with mean 1 over samples (King & Zeng 2001), or None where classes are even enough."""
    counts = np.bincount(targets, minlength=classes)
    present = counts[counts > 0]
    if present.max() < from_ratio * present.min():
        return None
    weights = np.where(counts > 0, len(targets) / (len(present) * np.maximum(counts, 1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32)


def weighted_offsets(weights: torch.Tensor | None) -> torch.Tensor | float:
    """By how much training under class weights lifts each logit above that of the true posterior (Elkan 2001)."""
    return 0.0 if weights is None else torch.where(weights > 0, weights, 1.0).log()


def epochs_within_budget(phase: PhaseSettings, cells: int) -> int:
    """Epochs of a phase: its own number, fewer where the cells of one epoch are many, never under one."""
    return min(phase.epochs, max(1, phase.image_budget // max(1, cells)))


def warm_cosine(step: int, steps: int) -> float:
    """Factor of the learning rate: a linear tenth up, then half a cosine down to 0 (Loshchilov & Hutter 2017)."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def layered(blocks: Sequence[nn.Module], rate: float, decay: float) -> list[dict[str, Any]]:
    """Parameter groups: the rate falls by `decay` with every block away from the last (Howard & Ruder 2018)."""
    groups = [list(block.parameters()) for block in blocks]
    filled = [group for group in groups if group]
    return [{"params": group, "lr": rate * decay ** (len(filled) - 1 - depth)} for depth, group in enumerate(filled)]


def average_logits(
    forward: Callable[[torch.Tensor], torch.Tensor], inputs: Views, rows: np.ndarray, orientations: int
) -> np.ndarray:
    """Logits (N, C) float32 of cells by row, the mean over their orientations (the first views)."""
    if len(rows) == 0:
        raise ValueError("there is no cell to answer for")
    answers = []
    with torch.inference_mode():
        for start in range(0, len(rows), _ANSWER_BATCH):
            part = rows[start : start + _ANSWER_BATCH]
            turned = [forward(torch.from_numpy(inputs[part, view]).float()) for view in range(orientations)]
            answers.append(torch.stack(turned).mean(0).numpy())
    return np.concatenate(answers)


@dataclass
class Fit:
    """A phase under way: what is fitted, on which inputs, with whose random numbers.

    Attributes:
        module: holds every parameter that changes. blocks: its parts from the input to the logits.
        forward: a batch of `inputs` → logits.
        weights: of the classes, or None. arithmetic: of a step; answers are in f32.
    """

    name: str
    module: nn.Module
    blocks: Sequence[nn.Module]
    forward: Callable[[torch.Tensor], torch.Tensor]
    inputs: Views
    phase: PhaseSettings
    weights: torch.Tensor | None
    label_smoothing: float
    generator: torch.Generator
    checkpoints: Checkpoints | None = None
    arithmetic: Arithmetic = "f32"
    curves: list[Epoch] = field(default_factory=list)

    def _prepare(self, training: Part) -> None:
        self._epochs = epochs_within_budget(self.phase, training.epoch_cells)
        steps = self._epochs * self._batch_count(training.epoch_cells)
        self._optimiser = torch.optim.AdamW(
            layered(self.blocks, self.phase.learning_rate, self.phase.layer_decay),
            lr=self.phase.learning_rate,
            weight_decay=self.phase.weight_decay,
        )
        cosine = self.phase.schedule == "cosine"
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda step: warm_cosine(step, steps) if cosine else 1.0
        )
        running = torch.optim.swa_utils.get_ema_multi_avg_fn(self.phase.averaging)  # type: ignore[no-untyped-call]
        self._average = torch.optim.swa_utils.AveragedModel(self.module, multi_avg_fn=running, use_buffers=True)
        self._best, self._best_weights, self._since = math.inf, copy.deepcopy(self._averaged()), 0

    def _averaged(self) -> dict[str, torch.Tensor]:
        return dict(self._average.module.state_dict())

    def _batch_count(self, cells: int) -> int:
        size = min(self.phase.batch_size, cells)
        return cells // size + (cells % size > 1)

    def _batches(self, part: Part) -> list[torch.Tensor]:
        order = part.order(self.generator)
        size = min(self.phase.batch_size, len(order))
        return [chunk for chunk in torch.split(order, size) if len(chunk) > 1 or size == 1]

    def _train_epoch(self, part: Part) -> float:
        self.module.train()
        total = 0.0
        batches = self._batches(part)
        for chosen in batches:
            views = torch.randint(self.inputs.shape[1], (len(chosen),), generator=self.generator)
            picked = self.inputs[part.rows[chosen.numpy()], views.numpy()]
            with computing_in(self.arithmetic, self.module):
                logits = self.forward(torch.from_numpy(picked).float()).float()
            targets = torch.from_numpy(part.targets[chosen.numpy()])
            loss = functional.cross_entropy(logits, targets, weight=self.weights, label_smoothing=self.label_smoothing)
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            self._schedule.step()
            self._average.update_parameters(self.module)
            total += float(loss.detach())
        return total / max(1, len(batches))

    def _validate(self, part: Part) -> tuple[float, float]:
        """Loss and accuracy of the averaged weights on cells as they lie: other turns cost more than they tell."""
        raw = copy.deepcopy(self.module.state_dict())
        self.module.load_state_dict(self._averaged())
        self.module.eval()
        logits = torch.from_numpy(average_logits(self.forward, self.inputs, part.rows, 1))
        self.module.load_state_dict(raw)
        targets = torch.from_numpy(part.targets)
        loss = functional.cross_entropy(logits, targets, weight=self.weights)
        return float(loss), float((logits.argmax(1) == targets).float().mean())

    def _state(self) -> PhaseState:
        return PhaseState(
            module=self.module,
            average=self._average,
            optimiser=self._optimiser,
            schedule=self._schedule,
            generator=self.generator,
            best_weights=self._best_weights,
            progress={
                "curves": [epoch.model_dump() for epoch in self.curves],
                "best": self._best,
                "since": self._since,
            },
        )

    def _resume(self) -> None:
        found = self.checkpoints.restore(self.name, self._state()) if self.checkpoints else None
        if found:
            self.curves = [Epoch.model_validate(row) for row in found["curves"]]
            self._best, self._since = found["best"], found["since"]

    def _one_epoch(self, training: Part, validation: Part) -> None:
        training_loss = self._train_epoch(training)
        loss, accuracy = self._validate(validation)
        self.curves.append(
            Epoch(
                phase=self.name,
                epoch=len(self.curves) + 1,
                training_loss=training_loss,
                validation_loss=loss,
                validation_accuracy=accuracy,
            )
        )
        self._since += 1
        if loss < self._best:
            self._best, self._since = loss, 0
            self._best_weights = copy.deepcopy(self._averaged())

    def run(self, training: Part, validation: Part, progress: Progress | None) -> list[Epoch]:
        """Fit until the epochs end and keep the averaged state, or until patience ends and return to the best one.

        The lowest of many losses on a small validation part is often luck; a schedule that ran its course is trusted.
        With checkpoints, a phase that was killed goes on after its last whole epoch and ends as if it had not been.
        """
        self._prepare(training)
        self._resume()
        while len(self.curves) < self._epochs and self._since < self.phase.patience:
            self._one_epoch(training, validation)
            if self.checkpoints:
                self.checkpoints.keep(self.name, self._state())
            if progress:
                progress(len(self.curves), self._epochs)
        stopped_early = self._since >= self.phase.patience
        self.module.load_state_dict(self._best_weights if stopped_early else self._averaged())
        if progress:
            progress(self._epochs, self._epochs)
        return self.curves
