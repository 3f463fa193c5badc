"""What is observed of every image: one row an image, one column a property a person can name."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hematovision.errors import UsageError

Array = NDArray[np.float32]

PREDICTED_CLASS = "predicted_class"
CONFIDENCE = "confidence"
ENTROPY = "entropy"
SET_SIZE = "set_size"
STRANGENESS = "strangeness"
DOUBTS = (SET_SIZE, STRANGENESS)
"""Measures of doubt that come with an answer: how many classes it cannot exclude, how strange the picture is."""


def component_names(count: int) -> list[str]:
    """Names of the observed principal components, `embedding_1` the widest."""
    return [f"embedding_{number}" for number in range(1, count + 1)]


def observe(
    image_statistics: pd.DataFrame,
    projections: Array,
    probabilities: Array,
    *,
    classes: Sequence[str],
    components: int,
    doubts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The observation table of N images.

    Takes the image statistics as (N, S) numeric columns, the embeddings' principal components as (N, >=components) and
    class probabilities as (N, C) in the order of `classes`. Gives N rows with the statistics, `embedding_1…`, the
    predicted class (str), its probability (`confidence`, 0–1) and the Shannon entropy of the probabilities (bits);
    where `doubts` are given, N rows of `set_size` and `strangeness`, those too.
    Raises UsageError when lengths disagree, nothing is given, or a value is not finite.
    """
    _check(image_statistics, projections, probabilities, classes, doubts)
    table = image_statistics.reset_index(drop=True).astype(np.float64)
    for position, name in enumerate(component_names(components)):
        table[name] = projections[:, position].astype(np.float64)
    table[PREDICTED_CLASS] = [str(classes[index]) for index in probabilities.argmax(axis=1)]
    table[CONFIDENCE] = probabilities.max(axis=1).astype(np.float64)
    table[ENTROPY] = _entropy(probabilities)
    if doubts is not None:
        for name in DOUBTS:
            table[name] = doubts[name].to_numpy(dtype=np.float64)
    return table


def _entropy(probabilities: Array) -> NDArray[np.float64]:
    from scipy.stats import entropy

    return np.asarray(entropy(probabilities.astype(np.float64), base=2, axis=1))


def _check(
    image_statistics: pd.DataFrame,
    projections: Array,
    probabilities: Array,
    classes: Sequence[str],
    doubts: pd.DataFrame | None,
) -> None:
    lengths = {len(image_statistics), len(projections), len(probabilities)}
    if len(lengths) > 1:
        raise UsageError(
            f"{len(image_statistics)} rows of image statistics, {len(projections)} embeddings and {len(probabilities)}"
            " predictions do not describe the same images; give one of each for every image."
        )
    if lengths == {0}:
        raise UsageError("There is no image to observe; give a folder with at least one readable image.")
    if probabilities.shape[1] != len(classes):
        raise UsageError(f"Predictions over {probabilities.shape[1]} classes do not fit {len(classes)} class names.")
    if doubts is not None and len(doubts) != len(probabilities):
        raise UsageError(f"{len(doubts)} set sizes do not fit {len(probabilities)} predictions.")
    for name in image_statistics.columns:
        if not np.isfinite(image_statistics[name].to_numpy(dtype=np.float64)).all():
            raise UsageError(f"The image statistic {name!r} has missing or infinite values; measure them again.")
    if not (np.isfinite(projections).all() and np.isfinite(probabilities).all()):
        raise UsageError("An embedding or a prediction is not finite; the model or an input is damaged.")
