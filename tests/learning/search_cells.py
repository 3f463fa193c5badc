"""A made-up data set for searches: a table of cells and features that tell the classes apart, and a search's loop.

Run as a script it is a search that kills its own process without warning in the middle of a trial.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hematovision.config import load_config
from hematovision.data.splits import deal_folds
from hematovision.learning.features import FeatureCache
from hematovision.learning.folds import FeatureSet
from hematovision.learning.search import study as studies
from hematovision.learning.search.bench import Bench
from hematovision.learning.search.settings import SearchSettings
from hematovision.learning.search.trials import TrialRequest
from hematovision.learning.settings import LearningSettings

CLASSES = ["eosinophil", "lymphocyte", "monocyte"]
CELLS, WIDTH, SEED = 60, 1280, 11
SPACE = {
    "learning.training.frozen.learning_rate": {"kind": "float", "low": 1e-4, "high": 1e-2, "log": True},
    "learning.training.dropout": {"kind": "choice", "values": [0.0, 0.2]},
}
IDENTITY = {"data": "made up"}


def settings(**search: Any) -> tuple[SearchSettings, LearningSettings]:
    """A short search over the head."""
    training = {"frozen": {"epochs": 3, "batch_size": 16}, "fine_tuning": {"epochs": 0}, "validation_fraction": 0.2}
    learning = {"orientations": 1, "backbone": {"weights": "none"}, "training": training}
    asked = {"trials": 8, "at_once": 3, "startup_trials": 4, "folds": 3, "space": SPACE, **search}
    config = load_config(None, {"learning": learning, "search": asked})
    return config.search, config.learning


def cells(groups: int = 20) -> pd.DataFrame:
    """Development cells, three of each class in every four groups."""
    numbers = np.arange(CELLS)
    names = [f"{number:064x}" for number in numbers]
    return pd.DataFrame(
        {
            "path": [f"{number:03}.png" for number in numbers],
            "label": [CLASSES[number % 3] for number in numbers],
            "sha256": names,
            "pixel_sha256": names,
            "group": [f"slide-{number // 3 % groups}" for number in numbers],
            "split": "development",
        }
    )


def write_features(folder: Path, rows: pd.DataFrame) -> FeatureSet:
    """Two views of every cell, with pooled features that lean towards its class."""
    cache = FeatureCache(folder)
    for sha256, label in zip(rows["sha256"], rows["label"], strict=True):
        pooled = np.random.default_rng(int(sha256, 16)).normal(size=(2, WIDTH)).astype(np.float32)
        pooled[:, CLASSES.index(label) * 100 : CLASSES.index(label) * 100 + 100] += 0.35
        cache.write(sha256, np.zeros((2, 1, 1, 1), np.float16), pooled)
    return FeatureSet(folder=str(folder), side=96, views=2)


def bench(folder: Path, search: SearchSettings) -> Bench:
    """The cells, their inner folds and their features."""
    rows = deal_folds(cells(), folds=search.folds, seed=SEED)
    where = write_features(folder, rows)
    return Bench(rows, lambda _: where, seed=SEED)


def sit(url: str, scorer: Bench, search: SearchSettings, learning: LearningSettings, *, die_at: int = -1) -> Any:
    """Ask, score, tell, until there is nothing to ask; die, as by a power cut, on the second fold of a trial."""
    study = studies.open_study("made-up", url, search, learning, IDENTITY)
    while asked := studies.ask_round(study, search, seed=SEED):
        for request in asked:
            dying = request.number == die_at
            outcome = scorer.run(request, learning, search, _die_on_second() if dying else None)
            studies.tell(study, outcome, search)
    return study


def _die_on_second() -> Any:
    done: list[int] = []

    def fold_done(by: int) -> None:
        done.append(by)
        if len(done) == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    return fold_done


def request(number: int = 0, peers: list[list[float]] | None = None, **parameters: Any) -> TrialRequest:
    """A trial as the study would ask it."""
    named = {f"learning.training.{key.replace('__', '.')}": value for key, value in parameters.items()}
    return TrialRequest(number=number, parameters=named, peers=peers or [])


if __name__ == "__main__":
    chosen, base = settings()
    sit(sys.argv[1], bench(Path(sys.argv[2]), chosen), chosen, base, die_at=int(sys.argv[3]))
