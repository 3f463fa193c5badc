"""New pictures held against the reference stored with a model."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from PIL import Image
from pydantic import BaseModel, ConfigDict

from hematovision.data.pictures import Picture
from hematovision.errors import GateRefused
from hematovision.home import Home
from hematovision.monitoring.drift import DriftVerdict, detect_drift, most_unusual
from hematovision.monitoring.reference import Reference
from hematovision.monitoring.report import Picture as Shown
from hematovision.monitoring.report import write_report
from hematovision.monitoring.settings import DriftSettings
from hematovision.progress import Progress
from hematovision.registry.predictor import Answers, Predictor
from hematovision.registry.reference import IMAGE_STATISTICS

THUMBNAIL_SIDE = 128


@dataclass(frozen=True)
class Watched:
    """A verdict with what it was drawn from; `errors` lists pictures that could not be read, with the reason."""

    verdict: DriftVerdict
    reference: Reference
    answers: Answers
    errors: dict[str, str]


def watch(
    model: Path, pictures: Sequence[Picture], settings: DriftSettings, *, seed: int, progress: Progress | None = None
) -> Watched:
    """Answer pictures with a model and compare them with its reference.

    Args:
        model: folder of a logged model, as `fetch_model` gives it.

    Raises:
        GateRefused: not one picture could be read.
    """
    predictor = Predictor.load(model / "artifacts" / "package")
    reference = Reference.load(model / "artifacts" / "reference")
    answers = predictor.answer([picture.load for picture in pictures], progress=progress)
    errors = {pictures[position].path: reason for position, reason in answers.errors.items()}
    if not len(answers.positions):
        first = next(iter(errors.items()))
        raise GateRefused(f"Not one of {len(pictures)} images could be read, the first: {first[0]}: {first[1]}.")
    verdict = detect_drift(
        reference,
        answers.embedding,
        answers.statistics[IMAGE_STATISTICS],
        answers.probabilities,
        settings=settings,
        seed=seed,
    )
    return Watched(verdict, reference, answers, errors)


class Monitored(BaseModel):
    """What `hematovision monitor` tells: the verdict, unreadable pictures, where the report lies."""

    model_config = ConfigDict(frozen=True)

    verdict: DriftVerdict
    errors: list[dict[str, str]]
    model: str
    data: str
    report: str
    evidently: dict[str, str]


def write_monitoring(
    home: Home, watched: Watched, pictures: Sequence[Picture], model: str, data: str, *, shown: int
) -> Monitored:
    """Write the pages of a verdict below the home's runs, each check in a folder of its own."""
    answers, reference = watched.answers, watched.reference
    observed = reference.observe(answers.embedding, answers.statistics[IMAGE_STATISTICS], answers.probabilities)
    unusual = [pictures[answers.positions[row]] for row in most_unusual(reference, answers.embedding, count=shown)]
    folder = home.runs / f"monitor-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid4().hex[:6]}"
    files = write_report(
        reference,
        observed,
        watched.verdict,
        folder,
        model=model,
        source=data,
        unusual=[Shown(picture.path, _thumbnail(picture)) for picture in unusual],
    )
    return Monitored(
        verdict=watched.verdict,
        errors=[{"path": path, "reason": reason} for path, reason in watched.errors.items()],
        model=model,
        data=data,
        report=str(files.page),
        evidently={"html": str(files.evidently_page), "json": str(files.evidently_record)},
    )


def _thumbnail(picture: Picture) -> bytes:
    with Image.open(io.BytesIO(picture.load())) as image:
        image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()
