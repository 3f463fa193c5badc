"""What a person should look at first: where the model is unsure, and where two models disagree."""

import math
from collections.abc import Mapping

from hematovision.feedback.records import Prediction


def uncertainty(probabilities: Mapping[str, float]) -> float:
    """Shannon entropy of class probabilities as a share of the largest possible, 0–1."""
    if len(probabilities) < 2:
        return 0.0
    return min(1.0, _entropy(probabilities) / math.log(len(probabilities)))


def disagreement(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Jensen-Shannon divergence of two answers, 0 (the same) to 1 (no class in common)."""
    mean = {name: (first.get(name, 0.0) + second.get(name, 0.0)) / 2 for name in {*first, *second}}
    divergence = _entropy(mean) - (_entropy(first) + _entropy(second)) / 2
    return min(1.0, max(0.0, divergence / math.log(2)))


def urgency(prediction: Prediction) -> tuple[float, float]:
    """(uncertainty, disagreement with the shadow model) of a prediction, each 0–1."""
    shadow = prediction.shadow
    differing = disagreement(prediction.probabilities, shadow.probabilities) if shadow else 0.0
    return uncertainty(prediction.probabilities), differing


def _entropy(probabilities: Mapping[str, float]) -> float:
    return -sum(p * math.log(p) for p in probabilities.values() if p > 0)
