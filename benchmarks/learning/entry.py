"""What every contestant takes and gives: labelled cells with their sides in, probabilities of the test cells out.

Imported by peers in an environment of their own: the standard library alone.
"""

import argparse
import csv
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Cell:
    """One picture: its file, its class, and whether it is for `training`, `validation` or `test`."""

    file: str
    sha256: str
    label: str
    group: str
    side: str


@dataclass(frozen=True)
class Task:
    """What all contestants have in common.

    Attributes:
        pixels: side of the network's input. epochs: passes over the training cells.
        config: a configuration of HematoVision's own, or ''.
    """

    cells: list[Cell]
    pixels: int
    epochs: int
    threads: int
    seed: int
    config: str

    def of(self, side: str) -> list[Cell]:
        """The cells of one side."""
        return [cell for cell in self.cells if cell.side == side]

    @property
    def labels(self) -> list[str]:
        """The classes, in the order of the outputs."""
        return sorted({cell.label for cell in self.cells})


Contestant = Callable[[Task], Sequence[Sequence[float]]]
"""Trains, and gives a probability of each class (in the order of `Task.labels`) for each test cell."""


def read_cells(table: Path) -> list[Cell]:
    """The cells of a CSV written by `write_cells`."""
    with table.open(newline="") as rows:
        return [Cell(**row) for row in csv.DictReader(rows)]


def write_cells(table: Path, cells: Sequence[Mapping[str, str]]) -> None:
    """One row a cell."""
    with table.open("w", newline="") as file:
        rows = csv.DictWriter(file, fieldnames=list(Cell.__dataclass_fields__))
        rows.writeheader()
        rows.writerows(cells)


def _task() -> tuple[Task, Path]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=Path, required=True)
    parser.add_argument("--pixels", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--config", default="")
    parser.add_argument("--result", type=Path, required=True)
    asked = parser.parse_args()
    task = Task(read_cells(asked.cells), asked.pixels, asked.epochs, asked.threads, asked.seed, asked.config)
    return task, asked.result


def compete(contestant: Contestant, libraries: Sequence[str]) -> None:
    """Run a contestant as a process: its probabilities, seconds without imports, and versions go to `--result`."""
    task, result = _task()
    started = time.perf_counter()
    probabilities = contestant(task)
    seconds = time.perf_counter() - started
    told = {
        "labels": task.labels,
        "probabilities": [[float(value) for value in row] for row in probabilities],
        "seconds": seconds,
        "versions": {name: version(name) for name in libraries},
    }
    result.write_text(json.dumps(told))
