"""How often the service is right about a share of cells, asked over HTTP like anybody else's."""

import re

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from hematovision.data.store import ImageStore
from hematovision.evaluation.intervals import Interval, effective_size, proportion
from hematovision.progress import progress_bar
from hematovision.rehearsal.client import Answer, Client
from hematovision.rehearsal.story import WentWrong


class Measured(BaseModel):
    """Accuracy on `n` cells; its interval counts cells of one group (slide, patient) as alike."""

    model_config = ConfigDict(frozen=True)

    n: int
    accuracy: Interval

    @property
    def says(self) -> str:
        """In words."""
        return f"{self.accuracy.value:.1%} of {self.n} ({self.accuracy.low:.1%} to {self.accuracy.high:.1%})"


class Standings(BaseModel):
    """One model on the held-out cells of both sites."""

    model_config = ConfigDict(frozen=True)

    version: str
    site_a: Measured
    site_b: Measured


def ask(client: Client, rows: pd.DataFrame, images: ImageStore, site: str) -> dict[str, Answer]:
    """The service's answers to cells by their SHA-256, each sent once with its slide where that is known; those that
    got none are missing."""
    answers: dict[str, Answer] = {}
    with progress_bar(f"Asking about {site}") as progress:
        for done, (sha256, slide) in enumerate(zip(rows["sha256"], rows["source_group"], strict=True), start=1):
            answer = client.predict(images.read(sha256), site, _plain(slide))
            if answer is not None:
                answers[sha256] = answer
            progress(done, len(rows))
    return answers


def _plain(slide: str) -> str | None:
    """A slide's name as the service takes it."""
    return re.sub(r"[^A-Za-z0-9 ._:/#-]", "-", slide)[:100] or None


def right(rows: pd.DataFrame, answers: dict[str, Answer]) -> int:
    """How many of the cells were answered with their class."""
    labels = dict(zip(rows["sha256"], rows["label"], strict=True))
    return sum(answer.label == labels[sha256] for sha256, answer in answers.items())


def measure(
    client: Client, rows: pd.DataFrame, images: ImageStore, site: str, version: str, *, confidence: float
) -> Measured:
    """Accuracy of the version that serves.

    Raises:
        WentWrong: a cell got no answer, or one of another version: the share would not be what it is called.
    """
    answers = ask(client, rows, images, site)
    others = {answer.version for answer in answers.values()} - {version}
    if len(answers) < len(rows) or others:
        raise WentWrong(
            f"Of {len(rows)} held-out cells {len(answers)} were answered, by version "
            f"{', '.join(sorted(others | {version}))}; version {version} was to answer all."
        )
    hits = np.array([answers[str(row.sha256)].label == row.label for row in rows.itertuples()], dtype=np.float64)
    share = effective_size(hits, list(rows["group"]), confidence=confidence) / len(hits)
    return Measured(n=len(hits), accuracy=proportion(hits.sum(), len(hits), share=share, confidence=confidence))
