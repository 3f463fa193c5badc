"""How far the answers of a model can be trusted: sets that hold the truth, doubt that pays, strangers noticed."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from hematovision.evaluation.calibration import ReliabilityBin, calibration_error_interval, reliability_bins
from hematovision.evaluation.coverage import SetCoverage, score_sets
from hematovision.evaluation.intervals import (
    FloatArray,
    IntArray,
    Interval,
    Sampling,
    effective_size,
    proportion,
)
from hematovision.evaluation.prediction_sets import Membership
from hematovision.evaluation.selection import RiskCoverage, risk_coverage


class Strangeness(BaseModel):
    """How strange a model finds cells that it was not made from; above 1 a picture is flagged.

    Attributes:
        promised: share of ordinary cells that the limit was set to flag.
        flagged: share of these cells that was.
        scores: every cell's score, ascending.
    """

    model_config = ConfigDict(frozen=True)

    promised: float
    flagged: Interval
    scores: list[float]


class Trust(BaseModel):
    """What calibrated probabilities, prediction sets and the strangeness score are worth on N labelled cells."""

    model_config = ConfigDict(frozen=True)

    ece: Interval
    reliability: list[ReliabilityBin]
    sets: SetCoverage
    selection: RiskCoverage
    strangeness: Strangeness | None = None


class Trusted(BaseModel):
    """Answers to N labelled cells: probabilities, sets and sets before completion (N, C), scores (N,) or None."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    probabilities: FloatArray
    sets: Membership
    uncompleted: Membership
    always: list[int]
    asked: float
    scores: FloatArray | None = None
    promised: float = 0.0


def assess_trust(
    classes: Sequence[str],
    truth: IntArray,
    answers: Trusted,
    *,
    groups: Sequence[str] | None,
    shares: Sequence[float],
    confidence: float,
    resamples: int,
    seed: int,
    ece_bins: int,
) -> Trust:
    """Score answers that no cell of the N took part in calibrating.

    Args:
        classes: C names in the order of the columns. truth: (N,) class numbers.
        groups: N names of the unit cells share, or None. shares: of cells answered, see `risk_coverage`.
        confidence, resamples, seed, ece_bins: as in `metrics.evaluate`.
    """
    chances = answers.probabilities
    correct = (chances.argmax(axis=1) == truth).astype(np.float64)
    share = effective_size(correct, groups, confidence=confidence) / len(truth)
    sampling = Sampling(share=share, confidence=confidence, resamples=resamples, seed=seed)
    return Trust(
        ece=calibration_error_interval(chances, truth, bins=ece_bins, sampling=sampling),
        reliability=reliability_bins(chances, truth, bins=ece_bins, confidence=confidence, share=share),
        sets=score_sets(
            classes, truth, answers.sets, answers.uncompleted, asked=answers.asked, always=answers.always,
            groups=groups, confidence=confidence, resamples=resamples, seed=seed,
        ),
        selection=risk_coverage(chances, truth, shares=shares, groups=groups, confidence=confidence),
        strangeness=_strangeness(answers.scores, answers.promised, groups, confidence),
    )  # fmt: skip


def _strangeness(
    scores: FloatArray | None, promised: float, groups: Sequence[str] | None, confidence: float
) -> Strangeness | None:
    if scores is None:
        return None
    flagged = (scores > 1).astype(np.float64)
    share = effective_size(flagged, groups, confidence=confidence) / len(scores)
    return Strangeness(
        promised=promised,
        flagged=proportion(float(flagged.sum()), len(scores), share=share, confidence=confidence),
        scores=np.sort(scores).tolist(),
    )
