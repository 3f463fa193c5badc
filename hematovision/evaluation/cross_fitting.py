"""Calibration without a second data set: what one fold's cells are judged by comes from the other folds only."""

from dataclasses import dataclass

import numpy as np

from hematovision.errors import HematoVisionError
from hematovision.evaluation.calibration import fit_temperature, softmax
from hematovision.evaluation.intervals import FloatArray, IntArray
from hematovision.evaluation.prediction_sets import Membership, SetRule, fit_sets


@dataclass(frozen=True)
class Calibrated:
    """Out-of-fold cells as a served model would answer them.

    Attributes:
        probabilities: (N, C), divided by the temperature of the other folds.
        sets: (N, C) True where a class cannot be excluded, by the limits of the other folds.
        uncompleted: (N, C) the same before empty sets are completed.
        always: numbers of the classes that at least one fold could not exclude from any set.
    """

    probabilities: FloatArray
    sets: Membership
    uncompleted: Membership
    always: list[int]


def fit_served(logits: FloatArray, truth: IntArray, *, confidence: float) -> tuple[float, SetRule]:
    """Temperature and prediction sets from cells (N, C) that the network was not trained on."""
    temperature = fit_temperature(logits, truth)
    return temperature, fit_sets(softmax(logits, temperature), truth, confidence=confidence)


def cross_fit(logits: FloatArray, truth: IntArray, folds: IntArray, *, confidence: float) -> Calibrated:
    """Calibrate out-of-fold logits, each fold by the others: no cell takes part in its own temperature or limits.

    Folds keep groups together, so neither does a cell of its slide, photograph or near-duplicate cluster. As the other
    folds' networks did see the fold's cells, coverage is promised to 2 · confidence - 1 only, and in practice close to
    the confidence.

    Args:
        logits: (N, C) by networks trained without the cell's fold.
        truth, folds: (N,) class numbers and fold numbers, two folds or more.
        confidence: of the prediction sets.

    Source: Vovk 2015, Cross-conformal predictors (AMAI 74); Barber et al. 2021, Predictive inference with the
    jackknife+ (Annals of Statistics 49).
    """
    present = np.unique(folds)
    if len(present) < 2 or len(folds) != len(truth):
        raise HematoVisionError(f"cross-fitting needs two folds or more and a fold for each cell, got {len(present)}")
    probabilities = np.empty(logits.shape, dtype=np.float64)
    sets, uncompleted = np.empty(logits.shape, dtype=np.bool_), np.empty(logits.shape, dtype=np.bool_)
    always: set[int] = set()
    for fold in present:
        own = folds == fold
        temperature, rule = fit_served(logits[~own], truth[~own], confidence=confidence)
        probabilities[own] = softmax(logits[own], temperature)
        sets[own], uncompleted[own] = rule.sets(probabilities[own]), rule.uncompleted(probabilities[own])
        always |= set(rule.always)
    return Calibrated(probabilities, sets, uncompleted, sorted(always))
