"""What a user may set about where a model fails: slices of the cells, corruptions of their pictures."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hematovision.data.settings import SEVERITIES, Corruption


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SliceSettings(_Settings):
    """Which slices are looked at, and when one is called worse.

    Attributes:
        minimum_cells: a slice with fewer is counted, not scored.
        error_rate: chance that any slice at all is called worse where none is.
        shown: most slices of a kind that a report shows, the worst first.
    """

    minimum_cells: int = Field(ge=2)
    error_rate: float = Field(gt=0, lt=1)
    shown: int = Field(ge=1)


class RobustnessSettings(_Settings):
    """What pictures are put through.

    Attributes:
        cells: golden cells tested in a run at most; 0 leaves the test out.
        severities: which of 1 to 5.
        corruptions: by name.
    """

    cells: int = Field(ge=0)
    severities: Annotated[list[Annotated[int, Field(ge=1, le=SEVERITIES)]], Field(min_length=1)]
    corruptions: Annotated[dict[str, Corruption], Field(min_length=1)]
