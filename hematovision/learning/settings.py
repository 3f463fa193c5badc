"""What a user may set about learning; the values live in configs/."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hematovision.errors import GateRefused

Runtime = Literal["openvino", "onnxruntime"]
"""What computes a network."""


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
            with maps above a sixteenth of the picture's side.
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


_SHARES = (
    "zoom", "shift", "brightness", "contrast", "saturation", "stain", "dyes", "white_balance", "illumination",
    "vignette",
)  # fmt: skip


class AugmentationSettings(_Settings):
    """How the views of a training cell differ from it. Shares are of the side, factors around 1.

    Attributes:
        stain: each dye's density times 1 ± this. dyes: the same of its absorption in each channel, which is its colour.
        white_balance, illumination, vignette: natural-log light, a channel, from the middle to an edge, to a corner.
        blur: largest Gaussian sigma. sharpening: largest amount of an unsharp mask. noise: largest deviation, of full
            scale. jpeg_quality: lowest; 100 leaves compression out.
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
    dyes: float = Field(ge=0, lt=1)
    white_balance: float = Field(ge=0, lt=1)
    illumination: float = Field(ge=0, lt=1)
    vignette: float = Field(ge=0, lt=1)
    blur: float = Field(ge=0, le=0.1)
    sharpening: float = Field(ge=0, le=4)
    noise: float = Field(ge=0, le=0.2)
    jpeg_quality: int = Field(ge=1, le=100)

    def at_strength(self) -> "AugmentationSettings":
        """The same with `strength` worked in, each change kept within what the setting itself allows."""
        limits = dict.fromkeys(_SHARES, 0.99) | {"hue_degrees": 180.0, "blur": 0.1, "sharpening": 4.0, "noise": 0.2}
        reached = {name: min(limit, self.strength * getattr(self, name)) for name, limit in limits.items()}
        quality = max(1, round(100 - self.strength * (100 - self.jpeg_quality)))
        return self.model_copy(update={**reached, "jpeg_quality": quality, "strength": 1.0})


Pool = Literal["average", "flatten", "stages", "blocks"]


@dataclass(frozen=True)
class Pooling:
    """What the head sees of the maps of pictures with so many pixels a side; the side counts for `flatten` alone."""

    pool: Pool
    side: int


AVERAGED = Pooling("average", 0)


class HeadSettings(_Settings):
    """What stands on the backbone.

    Attributes:
        pool: `average` takes the mean of each channel of the last map, as the weights were trained with; `flatten`
            takes every place of it, on MobileNetV2 at 224 px 62,720 features instead of 1,280; `stages` adds to the
            average mean and deviation of each channel of the last map of every larger resolution behind the cut;
            `blocks` adds those of every block's map there, which is several times as wide in deep networks.
        hidden: units with ReLU before the last layer; 0 leaves that layer out.
    """

    pool: Pool
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


class SolverSettings(_Settings):
    """How the head is fitted on frozen features, in the first phase.

    Attributes:
        method: `adamw` goes by the settings of the phase; `lbfgs` is logistic regression brought to its optimum on all
            views at once, the validation part included in the end: it stops nothing early. It takes a head without
            hidden units, on pooled features.
        penalty: of lbfgs: times half the squared weights, added to the mean loss of a view.
        iterations: of lbfgs at most.
    """

    method: Literal["adamw", "lbfgs"]
    penalty: float = Field(ge=0)
    iterations: int = Field(ge=1)


class TrainingSettings(_Settings):
    """Two phases: the head on frozen features, then the upper blocks with it.

    Attributes:
        precision: arithmetic of fine-tuning: `f32`, `bf16`, or `auto`, which is bf16 on a processor that computes in
            it: about half as long again in f32. Weights are f32 either way, and so are answers.
        rehearsed: known cells shown for every new one, where training goes on from a network (Robins 1995).
    """

    validation_fraction: float = Field(gt=0, lt=0.5)
    dropout: float = Field(ge=0, lt=1)
    label_smoothing: float = Field(ge=0, lt=1)
    class_weights_from_ratio: float = Field(
        ge=1, description="classes are weighted when the largest is this many times the smallest"
    )
    precision: Literal["auto", "f32", "bf16"]
    rehearsed: int = Field(ge=1)
    solver: SolverSettings
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

    @model_validator(mode="after")
    def _solvable(self) -> Self:
        if self.training.solver.method == "lbfgs" and (self.head.hidden or self.head.pool == "flatten"):
            raise ValueError(
                "learning.training.solver.method: lbfgs is logistic regression on pooled features: set "
                "learning.head.hidden: 0 and another learning.head.pool than flatten, or take adamw"
            )
        return self

    @property
    def head_alone(self) -> bool:
        """Whether nothing but the head is trained."""
        return self.training.fine_tuning.epochs == 0

    def pooling(self, side: int) -> Pooling:
        """What the head sees of pictures of this side, in pixels."""
        return Pooling(self.head.pool, side)


class AdaptationSettings(_Settings):
    """How far unlabelled pictures of a new site move a network.

    Attributes:
        prior: pictures that the statistics of training count for, N; those of n new ones count n / (n + N).
        minimum_pictures: fewer are refused: their statistics would be those of single cells.
        batch_size: pictures that pass the network together, each in all its orientations.
    """

    prior: float = Field(ge=0)
    minimum_pictures: int = Field(ge=2)
    batch_size: int = Field(ge=2)

    def share(self, pictures: int) -> float:
        """What the statistics of so many new pictures count, 0 to 1.

        Raises:
            GateRefused: they are too few.
        """
        if pictures < self.minimum_pictures:
            raise GateRefused(
                f"{pictures} usable pictures of the new site are too few to estimate what its pictures look like: "
                f"give {self.minimum_pictures} or more, or lower adaptation.minimum_pictures."
            )
        return pictures / (pictures + self.prior)
