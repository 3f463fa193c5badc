"""A model's answers on labelled cells, its labels matched to theirs by name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hematovision.data.labels import match_labels
from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused
from hematovision.progress import Progress
from hematovision.registry.predictor import Answers, Predictor


@dataclass(frozen=True)
class Matched:
    """Labelled cells that a class of the model stands for.

    Attributes:
        known: (M,) which of the rows asked about they are. rows: those manifest rows, (N). truth: (N,) class numbers.
        without_counterpart: cells by label that no class of the model stands for.
    """

    known: np.ndarray
    rows: pd.DataFrame
    truth: np.ndarray
    without_counterpart: dict[str, int]


def match_rows(rows: pd.DataFrame, classes: Sequence[str]) -> Matched:
    """Pair manifest rows with a model's classes by the meaning of their labels.

    Raises:
        GateRefused: no label of the data is a class of the model.
    """
    matched = match_labels(list(rows["label"]), classes)
    known = rows["label"].isin(list(matched)).to_numpy(dtype=bool)
    if not known.any():
        raise GateRefused(
            f"None of the labels ({', '.join(sorted(set(rows['label'])))}) is a class of the model "
            f"({', '.join(classes)}): there is nothing to score."
        )
    kept = rows[known].reset_index(drop=True)
    truth = np.array([classes.index(matched[label]) for label in kept["label"]], dtype=np.int64)
    return Matched(known, kept, truth, dict(Counter(rows.loc[~known, "label"])))


@dataclass(frozen=True)
class Scored:
    """Labelled cells with answers.

    Attributes:
        rows: the manifest rows a class of the model stands for, (N).
        truth: (N,) numbers of the model's classes.
        answers: the model's answers for them.
        without_counterpart: cells by label that no class of the model stands for; they are not scored.
    """

    rows: pd.DataFrame
    truth: np.ndarray
    answers: Answers
    without_counterpart: dict[str, int]


def score_rows(
    predictor: Predictor, rows: pd.DataFrame, store: ImageStore, *, progress: Progress | None = None
) -> Scored:
    """Answer manifest rows and pair the answers with their labels.

    Raises:
        GateRefused: no label of the data is a class of the model.
    """
    matched = match_rows(rows, predictor.specification.classes)
    loads = [lambda sha256=sha256: store.read(sha256) for sha256 in matched.rows["sha256"]]
    answers = predictor.answer(loads, progress=progress)
    readable = answers.positions
    scored = matched.rows.iloc[readable].reset_index(drop=True)
    return Scored(scored, matched.truth[readable], answers, matched.without_counterpart)
