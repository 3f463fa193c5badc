"""Which pictures a synthetic set holds; the values live in configs/."""

from pydantic import BaseModel, ConfigDict, Field


class SyntheticPlan(BaseModel):
    """Which pictures a synthetic set holds; together with the scanner it fixes every pixel.

    The same seed gives the same cells under every scanner: use another seed for cells a model has never seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(ge=0, lt=2**63)
    image_size: int = Field(ge=64, le=512, description="px; the scanner's field of view stays the same")
    slides: int = Field(ge=1, le=10_000)
    cells_per_class_per_slide: int = Field(ge=1, le=1000)
    scanner: str = Field(min_length=1, description="name of the preset")
