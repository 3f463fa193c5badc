"""What a user may set about the checks of a data set, and about the ways a picture can go wrong."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SEVERITIES = 5
Kind = Literal["defocus", "motion", "stain", "jpeg", "brightness", "contrast", "saturation", "pixelate", "bubble"]
Severity = Literal["critical", "warning"]


class Range(BaseModel):
    """From `low` to `high`, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class ValidationSettings(BaseModel):
    """The thresholds of the suite: sides in pixels, measures in the units of `quality.QualityMeasures`.

    `conflicting_clusters` is how grave two labels within one near-duplicate cluster are: neighbouring cells of one
    photograph may look alike at the rim. Two labels for the very same pixels are always critical.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_classes: int
    min_images_per_class: int
    side: Range
    brightness: Range
    contrast: Range
    sharpness: Range
    conflicting_clusters: Severity
    max_rows_named: int


class Corruption(BaseModel):
    """One way a picture goes wrong.

    Attributes:
        kind: which; what its strengths mean is said beside each function of `corruptions`.
        strengths: of severity 1 to 5.
        says: what it stands for at the microscope.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    strengths: Annotated[list[float], Field(min_length=SEVERITIES, max_length=SEVERITIES)]
    says: str
