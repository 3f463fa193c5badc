"""HematoVision itself, from cold: frozen features of every cell computed, then trained and answered as one fold is."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.learning.entry import Cell, Task, compete
from hematovision.config import RunConfig, load_config
from hematovision.evaluation.calibration import softmax
from hematovision.learning.backbones import load_backbone
from hematovision.learning.features import FeatureCache
from hematovision.learning.fitting import Part
from hematovision.learning.folds import FeatureSet, prepare_features
from hematovision.learning.training import predict_logits, train

WITHOUT_BUDGET = 1_000_000_000


def configured(task: Task) -> RunConfig:
    """The configuration asked for, with the size that all contestants share, and the epochs where it fine-tunes.

    A frozen phase keeps its own epochs: it passes over features, not over pictures.
    """
    changes: dict[str, Any] = {"seed": task.seed, "learning": {"backbone": {"image_size": task.pixels}}}
    path = Path(task.config) if task.config else None
    if load_config(path).learning.training.fine_tuning.epochs:
        changes["learning"]["training"] = {"fine_tuning": {"epochs": task.epochs, "image_budget": WITHOUT_BUDGET}}
    return load_config(path, changes)


def features(cells: list[Cell], config: RunConfig, threads: int, folder: Path) -> FeatureSet:
    """Frozen features of all cells, in a cache that begins empty."""
    table = pd.DataFrame({"sha256": [cell.sha256 for cell in cells]})
    files = {cell.sha256: Path(cell.file) for cell in cells}
    limit = config.reading.max_pixels
    return prepare_features(
        table, _Files(files), folder, config.learning, max_pixels=limit, workers=threads, seed=config.seed
    )


class _Files:
    """The pictures by content hash, as a store gives them."""

    def __init__(self, files: dict[str, Path]) -> None:
        self.files = files

    def read(self, sha256: str) -> bytes:
        return self.files[sha256].read_bytes()


def answer(task: Task) -> list[list[float]]:
    """Train without the test cells and answer for them."""
    config, folder = configured(task), Path(tempfile.mkdtemp(prefix="hematovision-bench-"))
    torch.set_num_threads(task.threads)
    try:
        where = features(task.cells, config, task.threads, folder)
        cached = FeatureCache(Path(where.folder)).read([cell.sha256 for cell in task.cells])
        sides = {side: _part(task, side) for side in ("training", "validation", "test")}
        backbone = load_backbone(
            config.learning.backbone, seed=config.seed, pooling=config.learning.pooling(where.side)
        )
        trained = train(
            cached,
            sides["training"],
            sides["validation"],
            backbone,
            task.labels,
            config.learning,
            seed=config.seed,
            threads=task.threads,
        )
        logits = predict_logits(trained.network, cached, sides["test"].rows, head_only=trained.head_only)
        return softmax(logits.astype(np.float64), 1.0).tolist()
    finally:
        shutil.rmtree(folder)


def _part(task: Task, side: str) -> Part:
    rows = [row for row, cell in enumerate(task.cells) if cell.side == side]
    return Part(np.array(rows), np.array([task.labels.index(task.cells[row].label) for row in rows]))


if __name__ == "__main__":
    compete(answer, ["hematovision", "openvino", "torch", "torchvision", "opencv-python-headless"])
