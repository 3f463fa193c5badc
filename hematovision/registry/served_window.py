"""A window of what the service answered: kept predictions, their pictures, and what people decided about them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from hematovision.data.pictures import Picture
from hematovision.errors import GateRefused, HematoVisionError, UnreadableImage, UsageError
from hematovision.evaluation.intervals import proportion
from hematovision.feedback.records import Item, instant
from hematovision.feedback.store import FeedbackStore
from hematovision.monitoring.history import Reviewed
from hematovision.monitoring.observations import SET_SIZE, STRANGENESS

UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class WindowRequest(BaseModel):
    """Which images are to be judged.

    Attributes:
        kind: a `folder` of new images, or the service's `predictions`.
        site: predictions of this site alone; of a folder, where its images are from.
        since: predictions from then on: a time, or how long ago (24h). last: the latest so many.
        record: whether the verdict goes into the drift history.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["folder", "predictions"] = "folder"
    site: str | None = None
    since: str | None = None
    last: int | None = Field(default=None, ge=1)
    record: bool = True


class WindowFacts(BaseModel):
    """What a window was made of.

    Attributes:
        found: predictions, or images of a folder. repeated: of the same image as a later one, left out.
        without_picture: whose picture was not kept, left out. not_looked_at: left out at random, as there were so many.
        first, last: times of the oldest and newest.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["folder", "predictions"]
    found: int
    repeated: int = 0
    without_picture: int = 0
    not_looked_at: int = 0
    first: str | None = None
    last: str | None = None


@dataclass(frozen=True)
class ServedWindow:
    """Predictions to be judged.

    Attributes:
        predictions: N rows, as `FeedbackStore.predictions` gives them, each of another image whose picture is kept.
        pictures: N, in the same order.
        found: all predictions of the window.
        facts: what was found and left out.
    """

    predictions: pd.DataFrame
    pictures: list[Picture]
    found: pd.DataFrame
    facts: WindowFacts

    @property
    def slides(self) -> list[str] | None:
        """Slide of each cell, where all are known."""
        named = self.predictions["slide"]
        return None if named.isna().any() else [str(name) for name in named]

    def probabilities(self, classes: Sequence[str]) -> np.ndarray:
        """(N, C) as they were answered, in the order of `classes`.

        Raises:
            HematoVisionError: an answer is over other classes.
        """
        answered = list(self.predictions["probabilities"])
        if any(set(one) != set(classes) for one in answered):
            raise HematoVisionError("Kept predictions are over other classes than the model has; name their own model.")
        return np.array([[one[label] for label in classes] for one in answered], dtype=np.float64)

    @property
    def doubts(self) -> pd.DataFrame:
        """Set size and strangeness as they were answered."""
        sizes = self.predictions["set"].map(len).to_numpy(dtype=np.float64)
        return pd.DataFrame({SET_SIZE: sizes, STRANGENESS: self.predictions["strangeness"].to_numpy(dtype=np.float64)})


def served_window(
    store: FeedbackStore,
    model: str,
    *,
    site: str | None,
    since: str | None,
    last: int | None,
    most: int,
    seed: int,
    after: str | None = None,
) -> ServedWindow:
    """The latest predictions of a model, one an image.

    Args:
        model: NAME/VERSION.
        since: as `time_of` gives it, or None. last: so many at most; None for all.
        most: of more images, so many at random are looked at. seed: of that choice.
        after: only what was answered later than this.

    Raises:
        GateRefused: there is none, or of none the picture was kept.
    """
    found = store.predictions(since=max(filter(None, (since, after)), default=None), model=model, site=site, limit=last)
    if after is not None:
        found = found[found["time"] > after]
    once = found.drop_duplicates("image", keep="last")
    kept = once[once["picture_kept"].astype(bool)].reset_index(drop=True)
    if kept.empty:
        where = f" at {site}" if site else ""
        why = "none of their pictures was kept (serving.keep_pictures)" if len(found) else "there is none"
        raise GateRefused(f"No predictions of {model}{where} to look at: {why}.")
    picked = kept.sample(min(most, len(kept)), random_state=seed).sort_index().reset_index(drop=True)
    facts = WindowFacts(
        kind="predictions",
        found=len(found),
        repeated=len(found) - len(once),
        without_picture=len(once) - len(kept),
        not_looked_at=len(kept) - len(picked),
        first=str(kept["time"].iloc[0]),
        last=str(kept["time"].iloc[-1]),
    )
    pictures = [Picture(str(row.id), partial(_load, store, str(row.image))) for row in picked.itertuples()]
    return ServedWindow(picked, pictures, found, facts)


def _load(store: FeedbackStore, sha256: str) -> bytes:
    try:
        return store.picture(sha256)
    except HematoVisionError as error:
        raise UnreadableImage(str(error)) from error


def time_of(text: str, now: datetime | None = None) -> str:
    """A time as predictions are kept by: of an ISO time (UTC without a zone), or of how long ago (90m, 24h, 7d, 2w).

    Raises:
        UsageError: it is neither.
    """
    ago = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text.strip())
    if ago:
        return instant((now or datetime.now(UTC)) - timedelta(seconds=float(ago[1]) * UNITS[ago[2]]))
    try:
        return instant(text)
    except ValueError as error:
        raise UsageError(f"--since {text!r} is no time: give 2026-11-22, 2026-11-22T14:00:00, or 24h.") from error


def reviewed_accuracy(predictions: pd.DataFrame, accepted: Sequence[Item], *, confidence: float) -> Reviewed | None:
    """How often the model was right among predictions that an accepted item names, with a Clopper-Pearson interval.

    None where nothing of the window was decided.
    """
    labels = {item.prediction_id: item.label for item in accepted if item.prediction_id}
    judged = predictions[predictions["id"].isin(labels)]
    if judged.empty:
        return None
    right = int(sum(labels[str(row.id)] == row.label for row in judged.itertuples()))
    limits = proportion(right, len(judged), share=1.0, confidence=confidence)
    return Reviewed(n=len(judged), right=right, **limits.model_dump())
