"""The numbers of drift detection that a user may want to change."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class DriftSettings(BaseModel):
    """How the reference is built and how a window is judged; every value comes from the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    false_alarm_rate: float = Field(gt=0, lt=0.5, description="chance of a wrong alarm of the verdict as a whole")
    resamples: int = Field(ge=100, description="windows drawn from the reference to calibrate the thresholds")
    maximum_reference: int = Field(ge=20, description="cells kept; beyond it whole groups are left out at random")
    minimum_reference: int = Field(ge=10, description="fewer cells than this make no reference")
    maximum_window: int = Field(ge=10, description="a larger window is judged by a random sample of this size")
    low_power_below: int = Field(ge=1, description="a smaller window gets a note that it could miss a real shift")
    few_groups_below: int = Field(ge=1, description="a reference of fewer groups gets a note about it")
    shown_components: int = Field(ge=2, description="principal components of the embedding observed one by one")
    whitened_components: int = Field(ge=2, description="principal components behind the shift of the mean embedding")
    minimum_baseline: int = Field(ge=20, description="fewer predictions than this make no reference of a site")
    window: int = Field(ge=10, description="predictions looked at where nobody says since when or how many")
    workspace: str | None = Field(default=None, description="folder of an Evidently workspace that is given each check")
    on_alarm: list[str] | None = Field(
        default=None, min_length=1, description="a command with its arguments, run without a shell on a change of alarm"
    )
    on_alarm_seconds: float = Field(gt=0, description="until it is given up")
    smallest_shift: dict[Literal["confidence", "entropy", "set_size", "strangeness"], Annotated[float, Field(ge=0)]] = (
        Field(default_factory=dict, description="a smaller shift of the mean is no alarm, however sure it is")
    )
    class_mix_concentration: float = Field(
        gt=0,
        description="how far the class mix may vary without drift: a class of share p varies by sqrt(p(1-p)/(this+1))",
    )
