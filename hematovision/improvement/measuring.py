"""Champion and challenger side by side on new cells that neither was trained on."""

from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

from hematovision.config import EvaluationSettings
from hematovision.data.manifest import HELD_OUT
from hematovision.data.store import ImageStore
from hematovision.evaluation.intervals import Interval
from hematovision.progress import Progress
from hematovision.registry.assessment import evaluate_answers, known_groups
from hematovision.registry.predictor import Predictor
from hematovision.registry.scoring import score_rows


class Figures(BaseModel):
    """One model on the held-out new cells."""

    model_config = ConfigDict(frozen=True)

    accuracy: Interval
    macro_f1: Interval
    ece: Interval


class NewCells(BaseModel):
    """Both models on the `n` held-out new cells; None where none was held out."""

    model_config = ConfigDict(frozen=True)

    n: int
    champion: Figures | None
    challenger: Figures | None


def compare_on_new(
    manifest: pd.DataFrame,
    champion: Path,
    challenger: Path,
    store: ImageStore,
    settings: EvaluationSettings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> NewCells:
    """Score two packages on the held-out part of a grown manifest."""
    rows = manifest[manifest["split"] == HELD_OUT].sort_values("path", kind="stable")
    if rows.empty:
        return NewCells(n=0, champion=None, challenger=None)
    figures = [_figures(package, rows, store, settings, seed, progress) for package in (champion, challenger)]
    return NewCells(n=len(rows), champion=figures[0], challenger=figures[1])


def _figures(
    package: Path,
    rows: pd.DataFrame,
    store: ImageStore,
    settings: EvaluationSettings,
    seed: int,
    progress: Progress | None,
) -> Figures:
    predictor = Predictor.load(package)
    scored = score_rows(predictor, rows, store, progress=progress)
    found = evaluate_answers(predictor, scored.truth, scored.answers, known_groups(scored.rows), settings, seed=seed)
    return Figures(accuracy=found.accuracy, macro_f1=found.macro_f1, ece=found.ece)
