"""What goes over the wire of the review queue, with examples."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hematovision.feedback.records import Event, Item, Shadow
from hematovision.feedback.review import Waiting
from hematovision.serving.schemas import NOTICE, ClientKey, KeptPrediction, Label

_ID = "019aab12-7c1d-7e4b-9a53-0f6f0c1d2e3f"
_IMAGE = "5e884898da28047151d0e56f8dc62927" * 2


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class ReviewQueue(_Schema):
    """What waits for whoever asks, the most urgent first.

    Attributes:
        reviewer: name of the key. votes_as: the role in which its votes count.
    """

    reviewer: str = Field(examples=["Ada"])
    votes_as: Literal["review", "senior"] = Field(examples=["review"])
    waiting: list[Waiting] = Field(
        examples=[
            [
                {
                    "kind": "item",
                    "id": _ID,
                    "image": _IMAGE,
                    "label": "monocyte",
                    "predicted": "lymphocyte",
                    "state": "pending",
                    "reason": "",
                    "site": "ward-3",
                    "uncertainty": 0.41,
                    "disagreement": 0.0,
                    "urgency": 1.35,
                }
            ]
        ]
    )
    notice: str = NOTICE


class ReviewItem(_Schema):
    """A correction, the prediction it is about, what happened to it, and what a second model says."""

    item: Item
    prediction: KeptPrediction | None = None
    shadow: Shadow | None = None
    history: list[Event]
    classes: list[str] = Field(examples=[["eosinophil", "lymphocyte", "monocyte"]])
    notice: str = NOTICE


class VoteGiven(_Schema):
    """One person's word on a correction.

    With `accept`, a `label` has to be the correction's own: a guard against accepting what one did not see. With
    `reject`, it is what the cell is instead, taken in as a correction of the voter's.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"verdict": "accept"}, {"verdict": "reject", "label": "neutrophil"}]},
    )

    verdict: Literal["accept", "reject"]
    label: Annotated[Label | None, Field(description="The class the voter sees.")] = None
    client_key: Annotated[
        ClientKey | None,
        Field(description="Of the correction that `reject` with a label makes; as in feedback."),
    ] = None


class VoteTaken(_Schema):
    """The vote, kept, and what the correction is now.

    Attributes:
        correction: id of the voter's own correction, where a vote against named another class.
    """

    id: str = Field(examples=[_ID])
    state: Literal["pending", "accepted", "rejected", "disputed", "quarantined"] = Field(examples=["accepted"])
    reason: str = Field(examples=["Ada, Ben"])
    label: Annotated[str, StringConstraints(min_length=1)] = Field(examples=["monocyte"])
    verdict: Literal["accept", "reject"]
    by: str = Field(examples=["Ada"])
    role: Literal["review", "senior"]
    correction: str | None = None
    notice: str = NOTICE
