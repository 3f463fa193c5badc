"""HematoVision beside the published recipe, fastai and a plain torchvision script: same network, weights, cells, sides.

    make bench [DATA=PATH] [ARGS="--rounds 3"]
    python -m benchmarks.learning [--data PATH] [--rounds N] [--quick] [--only NAME …]

Each round leaves another fifth of the cells out, and each contestant learns from the others in a process of its own,
one after another in a changing order. The result is rewritten after every run: a stopped one keeps what it has.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmarks import machine
from benchmarks.learning import cells, telling
from benchmarks.learning.entry import Cell, read_cells
from benchmarks.learning.race import CONTESTANTS, PEERS, Contestant, Run, Terms, order, run
from benchmarks.learning.summary import Result, aims, score
from hematovision.config import RunConfig, load_config
from hematovision.data.store import ImageStore
from hematovision.home import PROJECT, activate_home

RESULTS = PROJECT / "benchmarks" / "results"
QUICK = {"rounds": 1, "cells": 160, "epochs": 2, "recipe_epochs": 3}


class Race:
    """A benchmark under way: what ran so far, and where it is told."""

    def __init__(self, config: RunConfig, table: pd.DataFrame, terms: Terms, out: Path) -> None:
        self.config, self.cells, self.terms, self.out = config, table, terms, out
        self.machine = machine.describe()
        self.tests: list[list[Cell]] = []
        self.runs: list[Run] = []
        self.what = f"{config.data}: {len(table)} cells of {table['label'].nunique()} classes"

    def round(self, number: int, contestants: list[Contestant], store: ImageStore, folder: Path, say: Console) -> None:
        """Everyone once, on one fold."""
        table = folder / f"round-{number}.csv"
        cells.write_round(self.cells, store, number, self.config, table)
        self.tests.append([cell for cell in read_cells(table) if cell.side == "test"])
        for contestant in order(contestants, number):
            with say.status(f"round {number + 1}: {contestant.name} …"):
                done = run(contestant, number, table, self.terms, folder)
            self.runs.append(done)
            self.write()
            say.print(f"round {number + 1}: {contestant.name}: {done.wall:.1f} s")

    def result(self) -> Result:
        """What there is to tell so far."""
        names = [contestant.name for contestant in CONTESTANTS]
        of = {name: [run for run in self.runs if run.contestant == name] for name in names}
        evaluation, seed = self.config.evaluation, self.terms.seed
        lines = [score(found, self.tests, evaluation, seed) for found in of.values() if found]
        return Result(self.machine, self.terms, self.what, lines, aims(self.runs, lines), self.runs)

    def write(self) -> None:
        """The result so far."""
        self.out.mkdir(parents=True, exist_ok=True)
        result = self.result()
        (self.out / "learning.md").write_text(telling.markdown(result))
        (self.out / "learning.json").write_text(json.dumps(telling.document(result), indent=2) + "\n")


def chosen(names: list[str] | None) -> list[Contestant]:
    """The contestants asked for; SystemExit where the peers' environment is missing."""
    found = [contestant for contestant in CONTESTANTS if not names or contestant.name in names]
    if any(contestant.peer for contestant in found) and not PEERS.exists():
        raise SystemExit(f"{PEERS} is missing: `make bench` makes it; or name contestants of ours with --only.")
    return found


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Learn side by side and compare accuracy and time.")
    parser.add_argument("--data", help="a data set in any layout that `hematovision run` takes; default: synthetic")
    parser.add_argument("--rounds", type=int, help="folds left out, one after another (3)")
    parser.add_argument("--epochs", type=int, help="of everyone who fine-tunes (12)")
    parser.add_argument("--cells", type=int, help="use at most so many, as many of each class")
    parser.add_argument("--quick", action="store_true", help="few cells, few epochs, one round: shows that it works")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[each.name for each in CONTESTANTS])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    usual = QUICK if asked.quick else {"rounds": 3, "cells": None, "epochs": 12, "recipe_epochs": 20}
    for name, value in usual.items():
        if getattr(asked, name, None) is None:
            setattr(asked, name, value)
    return asked


def main() -> None:
    """Run the benchmark."""
    asked, say = arguments(), Console()
    contestants = chosen(asked.only)
    activate_home()
    config = load_config(None, {"data": asked.data} if asked.data else {})
    with tempfile.TemporaryDirectory(prefix="hematovision-bench-") as temporary:
        folder = Path(temporary)
        store = ImageStore(folder / "images")
        table = cells.read(config, store, asked.cells)
        terms = Terms(cells.pixels(table, config), asked.epochs, asked.recipe_epochs, asked.threads, config.seed)
        race = Race(config, table, terms, asked.out)
        say.print(f"{race.what}; {machine.in_words(race.machine)}")
        for number in range(asked.rounds):
            race.round(number, contestants, store, folder, say)
    result = race.result()
    say.print(telling.table(result.lines), *map(telling.aim_in_words, result.aims), asked.out / "learning.md", sep="\n")


if __name__ == "__main__":
    main()
