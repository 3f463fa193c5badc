"""What a user may change about retrains; the values live in configs/."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ImprovementSettings(BaseModel):
    """When a retrain is worth it, and how it goes.

    Attributes:
        minimum_accepted: accepted cells the champion has not learnt from; fewer wait for more.
        held_out_fraction: of the new cells, by group, that no training sees; both models are compared on it.
        epochs, learning_rate: of going on from the champion, known cells rehearsed (`learning.training.rehearsed`).
        doubted_share: of the corrections learnt from; where networks that had not seen them doubt more of them
            (`doubts.py`), no challenger is promoted without a person, whatever `promote` says.
        promote: `review` leaves the challenger to people; `policy` promotes it where the promotion policy asks for
            nobody's approval and every gate passed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_accepted: int = Field(ge=1)
    held_out_fraction: float = Field(gt=0, lt=1)
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    doubted_share: float = Field(ge=0, le=1)
    promote: Literal["review", "policy"]
