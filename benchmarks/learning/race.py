"""Contestants as processes of their own, one after another, in an order that changes every round."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import load
from hematovision.home import PROJECT

PEERS = PROJECT / ".venv-bench" / "bin" / "python"


@dataclass(frozen=True)
class Contestant:
    """Who learns.

    Attributes:
        module: of benchmarks.learning. config: of HematoVision's own. peer: runs in the environment of the peers.
        recipe: trains the published recipe's number of epochs instead of everybody's.
    """

    name: str
    module: str
    config: str = ""
    peer: bool = False
    recipe: bool = False


OURS_QUICK, OURS_FROZEN, OURS_TUNED = "ours, one view a cell", "ours, frozen", "ours, fine-tuned"
RECIPE, RECIPE_MENDED, FASTAI, PLAIN = "published recipe", "ours, the recipe mended", "fastai", "plain torchvision"
CONTESTANTS = (
    Contestant(OURS_QUICK, "ours", config="recipes/one_view"),
    Contestant(OURS_FROZEN, "ours", config="frozen"),
    Contestant(RECIPE_MENDED, "ours", config="recipes/published"),
    Contestant(RECIPE, "published_recipe", peer=True, recipe=True),
    Contestant(OURS_TUNED, "ours"),
    Contestant(FASTAI, "fastai_learner", peer=True),
    Contestant(PLAIN, "plain_torchvision", peer=True),
)


@dataclass(frozen=True)
class Run:
    """One contestant in one round.

    Attributes:
        wall: seconds of the whole process. processor: its processor seconds, those of its children included.
        learning: seconds without the start of Python and imports. load: averages before it began.
    """

    contestant: str
    round: int
    wall: float
    processor: float
    learning: float
    load: list[float]
    labels: list[str] = field(repr=False)
    probabilities: list[list[float]] = field(repr=False)
    versions: dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class Terms:
    """What holds for everyone."""

    pixels: int
    epochs: int
    recipe_epochs: int
    threads: int
    seed: int


def order(contestants: Sequence[Contestant], number: int) -> list[Contestant]:
    """The contestants, beginning with another one each round, so that none always runs first or after the same."""
    around = contestants if number % 2 == 0 else contestants[::-1]
    start = around.index(contestants[number % len(contestants)])
    return [*around[start:], *around[:start]]


def run(contestant: Contestant, number: int, table: Path, terms: Terms, folder: Path) -> Run:
    """Start one contestant and wait for it.

    Raises:
        SystemExit: it failed; with the end of what it wrote.
    """
    result, log = folder / "result.json", folder / "log.txt"
    result.unlink(missing_ok=True)
    before, used, started = load(), _processor_seconds(), time.perf_counter()
    with log.open("w") as output:
        code = subprocess.run(
            list(_command(contestant, table, terms, result)),
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
            env=os.environ | {"OMP_NUM_THREADS": str(terms.threads), "MKL_NUM_THREADS": str(terms.threads)},
            check=False,
        ).returncode
    wall, processor = time.perf_counter() - started, _processor_seconds() - used
    if code:
        raise SystemExit(f"{contestant.name} ended with {code}:\n{log.read_text()[-3000:]}")
    told: dict[str, Any] = json.loads(result.read_text())
    return Run(
        contestant.name,
        number,
        wall,
        processor,
        told["seconds"],
        before,
        told["labels"],
        told["probabilities"],
        told["versions"],
    )


def _command(contestant: Contestant, table: Path, terms: Terms, result: Path) -> Iterator[str]:
    yield from (str(PEERS) if contestant.peer else sys.executable, "-m", f"benchmarks.learning.{contestant.module}")
    yield from ("--cells", str(table), "--pixels", str(terms.pixels))
    yield from ("--epochs", str(terms.recipe_epochs if contestant.recipe else terms.epochs))
    yield from ("--threads", str(terms.threads), "--seed", str(terms.seed))
    yield from ("--result", str(result), *(("--config", contestant.config) if contestant.config else ()))


def _processor_seconds() -> float:
    """Of children that have ended, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
