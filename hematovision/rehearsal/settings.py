"""What a user may change about a rehearsal; the values live in configs/."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RehearsalSettings(BaseModel):
    """Two sites and how long to wait for what.

    Attributes:
        scanner_a, scanner_b: presets of configs/scanners.yaml that draw the sites where no folder is named;
            slides_a, slides_b: how many slides each has.
        per_class: corrected cells a class.
        held_out: share of each site's cells, by group, that is only ever scored.
        later: share of site B's cells that arrives after the retrain.
        enough: of the corrections, the share without which `improve` waits for more.
        every_seconds: between two due times of the retrain's schedule.
        pause_seconds: between two requests of the client that asks all the time.
        patience_seconds: what any one step may take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scanner_a: str
    scanner_b: str
    slides_a: int = Field(ge=4)
    slides_b: int = Field(ge=4)
    per_class: int = Field(ge=1)
    held_out: float = Field(gt=0, lt=1)
    later: float = Field(gt=0, lt=1)
    enough: float = Field(gt=0, le=1)
    every_seconds: float = Field(ge=1)
    pause_seconds: float = Field(ge=0)
    patience_seconds: float = Field(gt=0)

    @model_validator(mode="after")
    def _some_left(self) -> "RehearsalSettings":
        if self.held_out + self.later >= 1:
            raise ValueError("held_out and later leave no cells of site B to correct")
        return self
