"""What a user may change about feedback; the values live in configs/."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hematovision.database import refuse_password

Share = Annotated[float, Field(gt=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AdjudicationSettings(_Section):
    """Whose votes count, and how many decide.

    Attributes:
        agreeing: reviewers who must agree; the corrector's own vote does not count.
        reviewer_roles: roles whose votes are counted together. senior_roles: roles of which one vote decides.
    """

    agreeing: int = Field(ge=1)
    reviewer_roles: tuple[str, ...]
    senior_roles: tuple[str, ...]


class SuspicionSettings(_Section):
    """When feedback is set aside for a person.

    Attributes:
        minimum_predictions: predictions a class (or a site) must have before it is judged by them.
        strange_share: where more of a site's predictions than this are unlike the training cells, the model is no
            judge of that site's labels, and confident learning is not asked.
        outlier_deviations: a picture this many robust standard deviations stranger than its site's is an outlier.
        flood_window: latest corrections of one source that are looked at. flood_minimum: how many of them must have
            been moved into one class, and flood_share: which share of them, to be called a flood.
    """

    minimum_predictions: int = Field(ge=1)
    strange_share: Share
    outlier_deviations: float = Field(gt=0)
    flood_window: int = Field(ge=2)
    flood_minimum: int = Field(ge=2)
    flood_share: Share


class FeedbackSettings(_Section):
    """Everything about feedback.

    Attributes:
        pictures: a folder or a URL as fsspec takes it; None is a folder in the home.
        group_by: what makes a group, beside the site, when accepted cells are exported: cells of one group never stand
            on both sides of a split.
        home_sites: whose slides data without a column `site` may hold; slides of other sites are taken for others.
    """

    pictures: str | None
    group_by: tuple[Literal["slide", "client"], ...]
    home_sites: tuple[str, ...]
    adjudication: AdjudicationSettings
    suspicion: SuspicionSettings

    _pictures_hold_no_secret = field_validator("pictures")(refuse_password)
