"""New pictures, or what the service answered, held against the reference stored with a model."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import BaseModel, ConfigDict

from hematovision.data.pictures import Picture
from hematovision.errors import GateRefused
from hematovision.home import Home
from hematovision.monitoring.drift import DriftVerdict, detect_drift, most_unusual
from hematovision.monitoring.history import Reviewed
from hematovision.monitoring.observations import SET_SIZE, STRANGENESS
from hematovision.monitoring.reference import Reference
from hematovision.monitoring.report import Picture as Shown
from hematovision.monitoring.report import write_report
from hematovision.monitoring.settings import DriftSettings
from hematovision.progress import Progress
from hematovision.registry.predictor import Answers, Predictor
from hematovision.registry.reference import IMAGE_STATISTICS, doubt_table
from hematovision.registry.served_window import ServedWindow, WindowFacts

THUMBNAIL_SIDE = 128


@dataclass(frozen=True)
class Watched:
    """A verdict with what it was drawn from.

    Attributes:
        observed: the observation table of the pictures that could be read, in their order.
        embeddings: (N, D) of the same. positions: their places in `pictures`.
        rates: shares and means of the window, by name.
        errors: pictures that could not be read, with the reason.
    """

    verdict: DriftVerdict
    reference: Reference
    observed: pd.DataFrame
    embeddings: np.ndarray
    positions: np.ndarray
    rates: dict[str, float]
    pictures: Sequence[Picture]
    facts: WindowFacts
    errors: dict[str, str]


def watch(
    model: Path,
    pictures: Sequence[Picture],
    settings: DriftSettings,
    *,
    seed: int,
    site: str | None = None,
    served: ServedWindow | None = None,
    reference: Reference | None = None,
    progress: Progress | None = None,
) -> Watched:
    """Look at pictures with a model and compare them with a reference.

    Args:
        model: folder of a logged model, as `fetch_model` gives it.
        served: what the service answered to these pictures, judged in place of what the model would say now.
        site: where they are from. reference: the site's baseline; without it, the model's own reference, and of that
            the site's cells where there are enough.

    Raises:
        GateRefused: not one picture could be read.
    """
    predictor = Predictor.load(model / "artifacts" / "package")
    if reference is None:
        whole = Reference.load(model / "artifacts" / "reference")
        reference = whole.of_site(site, settings.minimum_reference)
    answers = predictor.answer([picture.load for picture in pictures], progress=progress)
    errors = _errors(answers, pictures)
    probabilities, doubts = _answered(answers, served, predictor.specification.classes)
    slides = served.slides if served else None
    given = (answers.embedding, answers.statistics[IMAGE_STATISTICS], probabilities)
    verdict = detect_drift(
        reference,
        *given,
        settings=settings,
        seed=seed,
        groups=slides and [slides[position] for position in answers.positions],
        doubts=doubts,
    )
    return Watched(
        verdict,
        reference,
        reference.observe(*given, doubts),
        answers.embedding,
        answers.positions,
        _rates(probabilities, doubts),
        pictures,
        served.facts if served else WindowFacts(kind="folder", found=len(pictures)),
        errors,
    )


def _errors(answers: Answers, pictures: Sequence[Picture]) -> dict[str, str]:
    """Pictures that could not be read, with the reason.

    Raises:
        GateRefused: that is all of them.
    """
    errors = {pictures[position].path: reason for position, reason in answers.errors.items()}
    if not len(answers.positions):
        path, reason = next(iter(errors.items()))
        raise GateRefused(f"Not one of {len(pictures)} images could be read, the first: {path}: {reason}.")
    return errors


def _answered(answers: Answers, served: ServedWindow | None, classes: Sequence[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Probabilities (N, C) and doubts of the readable pictures: as they were answered, or else as they are now."""
    if served is None:
        return answers.probabilities, doubt_table(answers.sets, answers.strangeness)
    doubts = served.doubts.iloc[answers.positions].reset_index(drop=True)
    return served.probabilities(classes)[answers.positions], doubts


def _rates(probabilities: np.ndarray, doubts: pd.DataFrame) -> dict[str, float]:
    return {
        "confidence": float(probabilities.max(axis=1).mean()),
        "set_size": float(doubts[SET_SIZE].mean()),
        "more_than_one_class": float((doubts[SET_SIZE] > 1).mean()),
        "unlike_training": float((doubts[STRANGENESS] > 1).mean()),
    }


class Monitored(BaseModel):
    """What `hematovision monitor` tells: the verdict, unreadable pictures, where the report lies.

    Attributes:
        model: as it was asked for. version: NAME/VERSION. data: what was looked at.
        rates: shares and means of the window: confidence, set_size, more_than_one_class, unlike_training.
        accuracy: among predictions of the window that people decided about, or None.
        baseline: the site's own reference it was held against; None is the model's.
        check: its id in the drift history. state: the alarm of this model and site after it, None where nothing is
            known. since: when that state began. changed: whether this check changed it.
        untold: who could not be told of a change, and why.
    """

    model_config = ConfigDict(frozen=True)

    verdict: DriftVerdict
    errors: list[dict[str, str]]
    model: str
    version: str
    model_digest: str
    data: str
    site: str | None
    window: WindowFacts
    rates: dict[str, float]
    accuracy: Reviewed | None
    baseline: str | None
    report: str
    evidently: dict[str, str]
    check: str | None = None
    state: str | None = None
    since: str | None = None
    changed: bool = False
    untold: list[str] = []


@dataclass(frozen=True)
class Subject:
    """What a verdict is about.

    Attributes:
        model: as it was asked for. version: NAME/VERSION. data: what was looked at, in words or as a path.
    """

    model: str
    version: str
    digest: str
    data: str
    site: str | None
    baseline: str | None = None
    accuracy: Reviewed | None = None


def write_monitoring(
    home: Home, watched: Watched, subject: Subject, *, shown: int, workspace: str | None = None
) -> Monitored:
    """Write the pages of a verdict below the home's runs, each check in a folder of its own.

    Args:
        workspace: folder of an Evidently workspace; a model and site have a project there.
    """
    unusual = most_unusual(watched.reference, watched.embeddings, count=shown)
    pictures = [watched.pictures[watched.positions[row]] for row in unusual]
    folder = home.runs / f"monitor-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
    files = write_report(
        watched.reference,
        watched.observed,
        watched.verdict,
        folder,
        model=subject.model if subject.baseline is None else f"{subject.site}'s own baseline for {subject.model}",
        source=subject.data,
        unusual=[Shown(picture.path, _thumbnail(picture)) for picture in pictures],
        workspace=(Path(workspace).expanduser().resolve(), _project(subject)) if workspace else None,
    )
    return Monitored(
        verdict=watched.verdict,
        errors=[{"path": path, "reason": reason} for path, reason in watched.errors.items()],
        model=subject.model,
        version=subject.version,
        model_digest=subject.digest,
        data=subject.data,
        site=subject.site,
        window=watched.facts,
        rates=watched.rates,
        accuracy=subject.accuracy,
        baseline=subject.baseline,
        report=str(files.page),
        evidently={"html": str(files.evidently_page), "json": str(files.evidently_record)},
    )


def _project(subject: Subject) -> str:
    name = subject.version.rpartition("/")[0]
    return f"{name}, {subject.site}" if subject.site else name


def _thumbnail(picture: Picture) -> bytes:
    with Image.open(io.BytesIO(picture.load())) as image:
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()
