"""What a user may set about learning; the values live in configs/."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackboneSettings(_Settings):
    """Which network sees the cells, and how large.

    Attributes:
        name: of torchvision or timm; `hematovision backbones` shows the usual ones, `timm:NAME` is always timm's.
        weights: `imagenet`, or `none` for a random start, said aloud.
        image_size: side in pixels, a multiple of 32; `auto` follows the median size of the cells, or is the
            one side a network takes.
        smallest_image_size, largest_image_size: what `auto` keeps to, in pixels.
        frozen_blocks: leading blocks that fine-tuning never changes; 0 fine-tunes everything, `auto` freezes those
            with maps above an eighth of the picture's side.
        precision: arithmetic of the compiled frozen blocks: `bf16` is about twice as fast on a CPU that has it, and
            its features are near those of `f32`, not the same.
    """

    name: str
    weights: Literal["imagenet", "none"]
    image_size: int | Literal["auto"]
    smallest_image_size: int = Field(ge=32)
    largest_image_size: int = Field(ge=32)
    frozen_blocks: Annotated[int, Field(ge=0)] | Literal["auto"]
    precision: Literal["f32", "bf16"]
    batch_size: int = Field(ge=1)


class AugmentationSettings(_Settings):
    """How the views of a training cell differ from it. Shares are of the side, factors around 1.

    Attributes:
        stain: each dye's density times 1 ± this. white_balance, illumination: natural-log light, a channel and from
            the middle to an edge. blur: largest Gaussian sigma. jpeg_quality: lowest; 100 leaves compression out.
    """

    views: int = Field(ge=1, description="views of a cell, its orientations included")
    view_budget: int = Field(
        ge=1,
        description="views of all cells together; large sets get fewer a cell, one more than orientations at least",
    )
    strength: float = Field(ge=0, le=3, description="one factor on every change of a view but rotation and flips")
    rotation_degrees: float = Field(ge=0, le=180)
    flips: bool
    zoom: float = Field(ge=0, lt=1)
    shift: float = Field(ge=0, lt=1)
    brightness: float = Field(ge=0, lt=1)
    contrast: float = Field(ge=0, lt=1)
    saturation: float = Field(ge=0, lt=1)
    hue_degrees: float = Field(ge=0, le=180)
    stain: float = Field(ge=0, lt=1)
    white_balance: float = Field(ge=0, lt=1)
    illumination: float = Field(ge=0, lt=1)
    blur: float = Field(ge=0, le=0.1)
    jpeg_quality: int = Field(ge=1, le=100)

    def at_strength(self) -> "AugmentationSettings":
        """The same with `strength` worked in, each change kept within what the setting itself allows."""
        shares = ("zoom", "shift", "brightness", "contrast", "saturation", "stain", "white_balance", "illumination")
        limits = dict.fromkeys(shares, 0.99) | {"hue_degrees": 180.0, "blur": 0.1}
        reached = {name: min(limit, self.strength * getattr(self, name)) for name, limit in limits.items()}
        quality = max(1, round(100 - self.strength * (100 - self.jpeg_quality)))
        return self.model_copy(update={**reached, "jpeg_quality": quality, "strength": 1.0})


class HeadSettings(_Settings):
    """What stands on the backbone.

    Attributes:
        pool: `average` takes the mean of each channel of the last map, as the weights were trained with; `flatten`
            takes every place of it, on MobileNetV2 at 224 px 62,720 features instead of 1,280.
        hidden: units with ReLU before the last layer; 0 leaves that layer out.
    """

    pool: Literal["average", "flatten"]
    hidden: int = Field(ge=0)


class PhaseSettings(_Settings):
    """One phase of training.

    Attributes:
        epochs: the most; 0 leaves the phase out.
        image_budget: cells shown in the whole phase at most, so that large sets get fewer epochs (never under one).
        patience: epochs without a better validation loss before the phase stops early and its best state returns.
        layer_decay: each block further from the head learns this much slower than the one after it.
        schedule: `cosine` warms the learning rate up and lets it fall to 0; `constant` leaves it as it is.
        averaging: share of the running average of the weights that a step keeps; 0 takes the last weights alone.
    """

    epochs: int = Field(ge=0)
    image_budget: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    patience: int = Field(ge=1)
    layer_decay: float = Field(gt=0, le=1)
    schedule: Literal["cosine", "constant"]
    averaging: float = Field(ge=0, lt=1)


class TrainingSettings(_Settings):
    """Two phases: the head on frozen features, then the upper blocks with it."""

    validation_fraction: float = Field(gt=0, lt=0.5)
    dropout: float = Field(ge=0, lt=1)
    label_smoothing: float = Field(ge=0, lt=1)
    class_weights_from_ratio: float = Field(
        ge=1, description="classes are weighted when the largest is this many times the smallest"
    )
    frozen: PhaseSettings
    fine_tuning: PhaseSettings


class LearningSettings(_Settings):
    """Everything that decides a model besides its data and its seed.

    Attributes:
        orientations: quarter turns of a cell (1: none, 2: half turns, 4: all) whose logits every answer averages.
    """

    orientations: Literal[1, 2, 4]

    backbone: BackboneSettings
    head: HeadSettings
    augmentation: AugmentationSettings
    training: TrainingSettings

    def flattened(self, side: int) -> int | None:
        """The side of the pictures, in pixels, where their last map is flattened; None where it is averaged."""
        return side if self.head.pool == "flatten" else None
