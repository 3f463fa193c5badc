"""What the service says of itself over the wire, with examples."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from hematovision.feedback.statistics import Interval, Period
from hematovision.monitoring.history import KeptCheck
from hematovision.serving.access import Role
from hematovision.serving.schemas import NOTICE, ModelIdentity, TroubleSeen


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Sending(_Schema):
    """How much one request may bring; more is refused."""

    images: int = Field(examples=[64])
    body_bytes: int = Field(examples=[16_777_216])
    pixels: int = Field(description="Of one picture.", examples=[16_000_000])


class KeyHolder(_Schema):
    """Whose key was shown.

    Attributes:
        may: the roles it includes. votes_as: the role in which its votes on corrections count; None: it may not vote.
    """

    name: str = Field(examples=["Ada"])
    role: Role = Field(examples=["review"])
    may: list[Role] = Field(examples=[["predict", "review"]])
    votes_as: Literal["review", "senior"] | None = Field(None, examples=["review"])
    limits: Sending
    notice: str = NOTICE


class DriftSeen(_Schema):
    """What monitoring last said of the model that serves, at one site (of no site in particular where `site` is null).

    Attributes:
        state: `raised` while a drift alarm stands, since `since`. at: of the last check. signals: those in alarm then.
        n: pictures that check looked at.
    """

    state: Literal["raised", "cleared"] = Field(examples=["raised"])
    site: str | None = Field(None, examples=["ward-3"])
    since: str = Field(examples=["2026-11-22T09:30:00.000000+00:00"])
    at: str = Field(examples=["2026-11-22T10:30:00.000000+00:00"])
    signals: list[str] = Field(examples=[["embedding", "image statistics"]])
    n: int = Field(examples=[200])

    @classmethod
    def of(cls, check: KeptCheck) -> Self:
        """What is told of a check."""
        return cls(
            state=check.state, site=check.site, since=check.since, at=check.time, signals=check.alarms, n=check.n
        )


class ServiceStatus(_Schema):
    """What serves, whether the world still looks as it did in training, and what was answered lately.

    Attributes:
        drift: empty where nobody has looked for drift of this model. feedback: corrections by state.
        answers: by class for every period in which there were any.
    """

    model: ModelIdentity
    serving_since: str
    shadow: str | None = Field(None, examples=["hematovision/4"])
    trouble: dict[str, TroubleSeen] = Field(default_factory=dict)
    drift: list[DriftSeen]
    predictions: int = Field(examples=[5120])
    feedback: dict[str, int] = Field(
        examples=[{"pending": 4, "accepted": 31, "rejected": 2, "disputed": 0, "quarantined": 1}]
    )
    period: Period = Field(examples=["day"])
    answers: list[Interval]
    notice: str = NOTICE
