"""A model's answers on labelled cells, its labels matched to theirs by name."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hematovision.data.labels import match_labels
from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused
from hematovision.learning.fitting import Progress
from hematovision.registry.predictor import Answers, Predictor


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
    classes = predictor.specification.classes
    matched = match_labels(list(rows["label"]), classes)
    scored = rows[rows["label"].isin(list(matched))].reset_index(drop=True)
    missing = Counter(rows.loc[~rows["label"].isin(list(matched)), "label"])
    if scored.empty:
        raise GateRefused(
            f"None of the labels ({', '.join(sorted(set(rows['label'])))}) is a class of the model "
            f"({', '.join(classes)}): there is nothing to score."
        )
    truth = np.array([classes.index(matched[label]) for label in scored["label"]], dtype=np.int64)
    loads = [lambda sha256=sha256: store.read(sha256) for sha256 in scored["sha256"]]
    answers = predictor.answer(loads, progress=progress)
    readable = answers.positions
    return Scored(scored.iloc[readable].reset_index(drop=True), truth[readable], answers, dict(missing))
