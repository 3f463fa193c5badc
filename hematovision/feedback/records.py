"""What is kept: predictions as they were given, corrections as they come in, items with their state and history."""

import os
import time
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

State = Literal["pending", "accepted", "rejected", "disputed", "quarantined"]
Verdict = Literal["accept", "reject"]
Action = Literal["submitted", "suspected", "contested", "voted", "superseded"]

OPEN: tuple[State, ...] = ("pending", "disputed", "quarantined")


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): ids sort by the millisecond they were made in."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10)) & ~(0xF << 76) & ~(0x3 << 62)
    return str(UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | random))


def now() -> str:
    """UTC, ISO 8601 with microseconds, so that texts sort by time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def instant(value: str | datetime) -> str:
    """A time in the form of `now`; without a zone it is UTC. ValueError where it is none."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return zoned.isoformat(timespec="microseconds")


def _plain(text: str) -> str:
    """Names that no table, path or spreadsheet takes for something else."""
    text = unicodedata.normalize("NFC", text).strip()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds characters that are no Unicode text") from error
    if not text or not all(character.isprintable() for character in text):
        raise ValueError("must be printable text, without line breaks or control characters")
    if not text[0].isalnum():
        raise ValueError("must begin with a letter or a digit")
    return text


def _label(text: str) -> str:
    text = _plain(text)
    if "/" in text or "\\" in text or len(text.encode()) > 200:
        raise ValueError("a class is named in at most 200 bytes and without slashes: it becomes the name of a folder")
    return text


Name = Annotated[str, Field(max_length=200), AfterValidator(_plain)]
Label = Annotated[str, Field(max_length=200), AfterValidator(_label)]
Time = Annotated[str, AfterValidator(instant)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Shadow(_Record):
    """What a challenger said of the same picture, unseen by the user."""

    model: str
    label: str
    probabilities: Mapping[str, Probability]


class Prediction(_Record):
    """One answer of one model, as it was given.

    Attributes:
        image: SHA-256 of the picture's bytes. set: classes that cannot be excluded, the most probable first.
        strangeness: 1 is what only `trust.false_flag_rate` of ordinary cells exceed.
        client: who asked. slide: which slide or patient the cell is from, where known.
    """

    id: Annotated[str, Field(min_length=1, max_length=64)] = Field(default_factory=new_id)
    time: Time = Field(default_factory=now)
    model: str
    model_digest: str
    data_version: str
    image: Sha256
    label: str
    probabilities: Mapping[str, Probability]
    set: list[str]
    strangeness: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    unlike_training: bool
    refer: bool
    site: Name | None = None
    client: Name | None = None
    slide: Name | None = None
    shadow: Shadow | None = None


class Correction(_Record):
    """What a person says a cell is: of a kept prediction, of a picture sent along, or both.

    Attributes:
        by: the person, as they sign in. role: in which role. source: through what it came (page, api, import).
        client_key: chosen by the sender; the same key of the same person never makes a second item.
    """

    prediction_id: str | None = None
    image: bytes | None = Field(default=None, repr=False)
    label: Label
    by: Name
    role: Name
    source: Name
    client_key: Name
    site: Name | None = None
    client: Name | None = None
    slide: Name | None = None


class Event(_Record):
    """One line of an item's history; lines are only ever added."""

    number: int
    item: str
    time: str
    action: Action
    by: str
    role: str | None
    verdict: Verdict | None
    state: State
    reason: str


class Item(_Record):
    """A correction with its state.

    Attributes:
        reason: why the state is what it is, in words. predicted: the model's class, where there was a prediction.
        image, pixels: SHA-256 of the picture's bytes and of its pixels. changed: when the state last changed.
    """

    id: str
    state: State
    reason: str
    label: str
    predicted: str | None
    prediction_id: str | None
    model: str | None
    image: str
    pixels: str
    by: str
    role: str
    source: str
    client_key: str
    site: str | None
    client: str | None
    slide: str | None
    submitted: str
    changed: str
