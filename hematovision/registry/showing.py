"""Cells for a report, with where the model looked: its surest mistakes, and some it got right."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hematovision.config import EvaluationSettings
from hematovision.evaluation.mistakes import most_confident_mistakes, right_cells
from hematovision.evaluation.pictures import Load
from hematovision.evaluation.report import show_correct, show_mistakes
from hematovision.evaluation.report_content import ShownCell, ShownMistake
from hematovision.learning.heatmaps import NoSpatialMap
from hematovision.registry.explanation import Explainer


@dataclass(frozen=True)
class Gallery:
    """Pictures for a report; `notes` say why there are no heat maps, where there are none."""

    mistakes: list[ShownMistake]
    correct: dict[str, list[ShownCell]]
    notes: list[str]


def show_cells(
    package: Path,
    rows: pd.DataFrame,
    truth: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    load: Load,
    settings: EvaluationSettings,
    *,
    seed: int,
) -> Gallery:
    """The galleries of N manifest rows with their class numbers (N,) and probabilities (N, C)."""
    side, quality = settings.thumbnail_side, settings.thumbnail_quality
    found = most_confident_mistakes(rows, truth, probabilities, classes, limit=settings.mistakes_shown)
    try:
        explainer = Explainer.load(package)
    except NoSpatialMap as error:
        return Gallery(show_mistakes(found, load, side=side, quality=quality), {}, [str(error)])
    right = right_cells(rows, truth, probabilities, classes, per_class=settings.correct_shown_per_class, seed=seed)
    return Gallery(
        show_mistakes(found, load, side=side, quality=quality, explain=explainer.explain),
        show_correct(right, load, explainer.explain, side=side, quality=quality),
        [],
    )
