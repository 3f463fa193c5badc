"""The cells a model got wrong while it was most sure: where a person should look first."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from hematovision.errors import HematoVisionError
from hematovision.evaluation.intervals import FloatArray, IntArray


class Mistake(BaseModel):
    """A cell that was given the wrong class, with the probabilities of the predicted and of the true class."""

    model_config = ConfigDict(frozen=True)

    path: str
    sha256: str
    truth: str
    predicted: str
    probability: float
    probability_of_truth: float


def most_confident_mistakes(
    rows: pd.DataFrame, truth: IntArray, probabilities: FloatArray, classes: Sequence[str], *, limit: int
) -> list[Mistake]:
    """The `limit` wrong cells with the highest probability, the surest first (ties by path).

    Args:
        rows: N manifest rows in the order of `truth`; `path` and `sha256` are read.
        truth: (N,) class indices.
        probabilities: (N, C), rows summing to 1.
        classes: C class names in the order of the columns.
        limit: largest number of mistakes.

    Raises:
        HematoVisionError: lengths that do not fit together.
    """
    if not len(rows) == len(truth) == len(probabilities):
        raise HematoVisionError(f"{len(rows)} rows, {len(truth)} labels and {len(probabilities)} predictions differ")
    predicted = probabilities.argmax(axis=1)
    paths, digests = rows["path"].astype(str).tolist(), rows["sha256"].astype(str).tolist()
    wrong = sorted(np.flatnonzero(predicted != truth).tolist(), key=lambda i: (-probabilities[i].max(), paths[i]))
    return [
        Mistake(
            path=paths[i],
            sha256=digests[i],
            truth=classes[truth[i]],
            predicted=classes[predicted[i]],
            probability=float(probabilities[i].max()),
            probability_of_truth=float(probabilities[i, truth[i]]),
        )
        for i in wrong[:limit]
    ]


def right_cells(
    rows: pd.DataFrame, truth: IntArray, probabilities: FloatArray, classes: Sequence[str], *, per_class: int, seed: int
) -> dict[str, list[tuple[str, str]]]:
    """Path and sha256 of up to `per_class` random cells of each class that were given the right one, by class.

    Args:
        rows, truth, probabilities, classes: as in `most_confident_mistakes`.
        seed: of the generator that draws them.
    """
    rng = np.random.default_rng(seed)
    right = probabilities.argmax(axis=1) == truth
    paths, digests = rows["path"].astype(str).tolist(), rows["sha256"].astype(str).tolist()
    chosen = {
        name: rng.permutation(np.flatnonzero(right & (truth == number)))[:per_class].tolist()
        for number, name in enumerate(classes)
    }
    return {name: [(paths[i], digests[i]) for i in places] for name, places in chosen.items() if places}
