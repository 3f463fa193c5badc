"""Where a phase of training stands, epoch by epoch, so that a killed run goes on instead of beginning anew."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn


@dataclass(frozen=True)
class PhaseState:
    """Everything that decides how a phase goes on; `progress` is plain JSON, the rest is restored in place."""

    module: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    generator: torch.Generator
    best_weights: dict[str, torch.Tensor]
    progress: dict[str, Any]


class Checkpoints:
    """Checkpoints of one training in a folder of its own, written whole or not at all; no pickle is involved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, phase: str, state: PhaseState) -> None:
        """Write where a phase stands, over what was there of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self._path(phase)
        partial = target.with_suffix(f".{os.getpid()}.partial")
        optimiser = state.optimiser.state_dict()
        record = {
            "progress": state.progress,
            "groups": optimiser["param_groups"],
            "schedule": {"last_epoch": state.schedule.last_epoch, "last_lr": state.schedule.get_last_lr()},
        }
        save_file(_tensors(state, optimiser["state"]), partial, metadata={"record": json.dumps(record)})
        partial.replace(target)

    def restore(self, phase: str, state: PhaseState) -> dict[str, Any] | None:
        """Bring a phase to where it stood and give its `progress`; None when nothing was kept of it."""
        if not self._path(phase).is_file():
            return None
        with safe_open(self._path(phase), framework="pt") as stored:
            record = json.loads(stored.metadata()["record"])
        tensors = load_file(self._path(phase))
        state.module.load_state_dict(_under("module", tensors))
        state.average.load_state_dict(_under("average", tensors))
        state.optimiser.load_state_dict({"state": _by_parameter(tensors), "param_groups": record["groups"]})
        state.schedule.last_epoch = record["schedule"]["last_epoch"]
        state.schedule._last_lr = record["schedule"]["last_lr"]
        state.generator.set_state(tensors["generator"])
        state.best_weights.update(_under("best", tensors))
        return dict(record["progress"])

    def clear(self) -> None:
        """Remove them: the training is done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, phase: str) -> Path:
        return self.folder / f"{phase}.safetensors"


def _tensors(state: PhaseState, moments: dict[int, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    named = {
        **{f"module/{name}": tensor for name, tensor in state.module.state_dict().items()},
        **{f"average/{name}": tensor for name, tensor in state.average.state_dict().items()},
        **{f"best/{name}": tensor for name, tensor in state.best_weights.items()},
        **{f"moments/{key}/{name}": tensor for key, kept in moments.items() for name, tensor in kept.items()},
        "generator": state.generator.get_state(),
    }
    return {name: tensor.detach().clone().contiguous() for name, tensor in named.items()}


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(f"{prefix}/"): tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}/")
    }


def _by_parameter(tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for path, tensor in _under("moments", tensors).items():
        key, name = path.split("/")
        moments.setdefault(int(key), {})[name] = tensor
    return moments
