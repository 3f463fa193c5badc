"""A backbone as training takes it: built, filled with its weights, cut in two."""

import functools
import logging
from dataclasses import dataclass, replace

import torch
from torch import nn

from hematovision.errors import HematoVisionError, UsageError
from hematovision.learning.backbones.architecture import Architecture, InputSides
from hematovision.learning.backbones.blocks import Blocks, as_they_are
from hematovision.learning.backbones.catalogue import describe, find_architecture, flattened_width
from hematovision.learning.backbones.random_start import DrawsFrom, random_blocks
from hematovision.learning.settings import AVERAGED, BackboneSettings, Pool, Pooling
from hematovision.learning.weights import load_checkpoint

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backbone:
    """A feature extractor cut in two.

    Attributes:
        lower: frozen blocks, (N, 3, S, S) normalised float32 → (N, C, h, w); the identity where nothing is frozen.
        upper: the blocks fine-tuning may change, (N, C, h, w) → pooled (N, width).
        width: length of the pooled feature vector.
        mean, deviation: per-channel normalisation of pixels in 0–1, as the weights were trained with.
        weights: name of the published weights, or `none`.
        sides: the sides of the pictures it takes.
        frozen_blocks: how many blocks `lower` holds.
        pool: what `upper` makes of its maps, as in `learning.head`.
    """

    lower: nn.Module
    upper: nn.Module
    width: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    weights: str
    sides: InputSides
    frozen_blocks: int
    pool: Pool = "average"


@functools.cache
def _say_random(name: str) -> None:
    logger.warning("weights: none – %s starts from random weights, nothing pretrained.", name)


def _cut(settings: BackboneSettings) -> int:
    described = describe(settings.name)
    if settings.frozen_blocks == "auto":
        return described.frozen_blocks
    if settings.frozen_blocks < described.blocks:
        return settings.frozen_blocks
    if described.blocks == 1:
        raise UsageError(
            f"frozen_blocks: {settings.name} is no sequence of blocks that could be cut; only 0 or auto will do."
        )
    raise UsageError(
        f"frozen_blocks: {settings.name} has {described.blocks} blocks; keep at least one for fine-tuning "
        f"(0 to {described.blocks - 1}, or auto, which is {described.frozen_blocks})."
    )


def _pretrained(architecture: Architecture, seed: int) -> Blocks:
    if architecture.checkpoint is None:
        raise UsageError(
            f"weights: {architecture.library} publishes no weights for {architecture.name} that can be read safely; "
            "choose another backbone, or `weights: none` for a random start."
        )
    loaded = load_checkpoint(architecture.checkpoint)
    with DrawsFrom(torch.Generator().manual_seed(seed)):
        try:
            return architecture.split(architecture.restore(loaded))
        except (RuntimeError, ValueError, KeyError) as error:
            raise HematoVisionError(
                f"{loaded.path} does not hold the weights of {architecture.name}, every one of them: {error}"
            ) from error


def load_backbone(settings: BackboneSettings, *, seed: int, pooling: Pooling = AVERAGED) -> Backbone:
    """Build a backbone in evaluation mode.

    Args:
        seed: of a random start, where the settings ask for one.
        pooling: what the head is to see of the maps.

    Raises:
        UsageError: an unknown name, an impossible cut, or a side the network cannot take.
        HematoVisionError: the weights are missing or altered.
    """
    architecture = find_architecture(settings.name)
    if settings.image_size != "auto":
        architecture.sides.check(settings.name, settings.image_size)
    frozen = _cut(settings)
    if settings.weights == "none":
        _say_random(settings.name)
        parts = random_blocks(architecture, seed=seed)
    else:
        parts = _pretrained(architecture, seed)
    weights = "none" if settings.weights == "none" else architecture.weights
    return _cut_in_two(settings.name, parts, frozen, weights, pooling)


def blank_backbone(name: str, frozen_blocks: int, *, pooling: Pooling = AVERAGED) -> Backbone:
    """A backbone with arbitrary weights, to be filled with those of a trained model.

    Raises:
        UsageError: an unknown name.
    """
    return _cut_in_two(name, random_blocks(find_architecture(name), seed=0), frozen_blocks, "none", pooling)


def _cut_in_two(name: str, parts: Blocks, frozen_blocks: int, weights: str, pooling: Pooling) -> Backbone:
    architecture, described = find_architecture(name), describe(name)
    beside = described.beside_the_last(pooling.pool, frozen_blocks)
    width = described.width + 2 * sum(beside.values())
    if pooling.pool == "flatten":
        parts, width = replace(parts, pooling=as_they_are()), flattened_width(name, pooling.side)
    lower, upper = parts.cut(frozen_blocks, list(beside))
    return Backbone(
        lower.eval(),
        upper.eval(),
        width,
        architecture.mean,
        architecture.deviation,
        weights,
        architecture.sides,
        frozen_blocks,
        pooling.pool,
    )
