"""Where a registered model looked: its network rebuilt from its weights, heat maps for single pictures."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from hematovision.data.decoding import Pixels, decode, encode_png
from hematovision.data.pictures import Picture
from hematovision.errors import HematoVisionError, UnreadableImage, UsageError
from hematovision.evaluation.calibration import softmax
from hematovision.evaluation.overlay import overlay
from hematovision.learning.backbones import blank_backbone
from hematovision.learning.heatmaps import heat_maps, last_spatial_block
from hematovision.learning.networks import CellNetwork
from hematovision.learning.preprocessing import normalise, resize
from hematovision.learning.settings import Pooling
from hematovision.progress import Progress
from hematovision.registry.package import WEIGHTS, ModelSpecification, verify_package


def load_network(folder: Path) -> CellNetwork:
    """The trained network of a verified package, from its safetensors.

    Raises:
        UsageError, HematoVisionError: see `verify_package`; or the weights are not those of the specified network.
    """
    from safetensors.torch import load_file

    specification = verify_package(folder)
    network = _untrained(specification)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    except RuntimeError as error:
        raise HematoVisionError(f"{folder / WEIGHTS} fits no {specification.backbone} of this version.") from error
    return network.eval()


def _untrained(specification: ModelSpecification) -> CellNetwork:
    import torch

    pooling = Pooling(specification.pool, specification.image_size)
    return CellNetwork(
        blank_backbone(specification.backbone, specification.frozen_blocks, pooling=pooling),
        classes=len(specification.classes),
        orientations=specification.orientations,
        dropout=0.0,
        generator=torch.Generator().manual_seed(0),
        hidden=specification.hidden,
    )


class Explainer:
    """A registered model that says where it looks."""

    def __init__(self, specification: ModelSpecification, network: CellNetwork) -> None:
        self.specification = specification
        self._network = network
        last_spatial_block(network, specification.image_size)

    @classmethod
    def load(cls, folder: Path) -> "Explainer":
        """Verify and rebuild a model package.

        Raises:
            NoSpatialMap: its backbone gives no heat maps. UsageError, HematoVisionError: see `load_network`.
        """
        return cls(verify_package(folder), load_network(folder))

    def explain(self, images: Sequence[Pixels], labels: Sequence[str]) -> NDArray[np.float32]:
        """Heat maps (N, S, S) in 0–1 of H×W×3 uint8 RGB pictures, each for the class named beside it.

        Raises:
            UsageError: a label that is no class of the model.
        """
        self.check(labels)
        targets = [self.specification.classes.index(label) for label in labels]
        return heat_maps(self._network, self._inputs(images), targets)

    def check(self, labels: Sequence[str]) -> None:
        """Raise UsageError where a label is no class of the model."""
        classes = self.specification.classes
        if unknown := sorted(set(labels) - set(classes)):
            raise UsageError(f"{unknown[0]!r} is no class of the model; it has {', '.join(classes)}.")

    def probabilities(self, images: Sequence[Pixels]) -> NDArray[np.float64]:
        """Calibrated probabilities (N, C) of H×W×3 uint8 RGB pictures, by the same network."""
        import torch

        with torch.inference_mode():
            logits = self._network(torch.from_numpy(self._inputs(images))).numpy()
        return softmax(logits.astype(np.float64), self.specification.temperature)

    def _inputs(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        side = self.specification.image_size
        pixels = [resize(image, side) for image in images]
        stacked = np.stack(pixels) if pixels else np.empty((0, side, side, 3), np.uint8)
        return normalise(stacked, self.specification.mean, self.specification.deviation)


class Explained(BaseModel):
    """A picture, the class its heat map is of with that class's probability, the class predicted, and the file."""

    model_config = ConfigDict(frozen=True)

    path: str
    label: str
    probability: float
    predicted: str
    file: str


def write_explanations(
    explainer: Explainer,
    pictures: Sequence[Picture],
    folder: Path,
    *,
    label: str | None,
    progress: Progress | None = None,
) -> tuple[list[Explained], list[dict[str, str]]]:
    """Write each picture with its heat map laid over it as PNG; what cannot be read is listed, the rest goes on.

    Args:
        label: class the maps are of; None for the one predicted of each picture.

    Returns:
        What was written, and path and reason of every picture that could not be read.

    Raises:
        UsageError: the label is no class of the model, or the folder cannot be written to.
    """
    specification = explainer.specification
    explainer.check([label] if label else [])
    written: list[Explained] = []
    errors: list[dict[str, str]] = []
    for number, item in enumerate(pictures):
        try:
            image = decode(item.load(), max_pixels=specification.max_pixels, min_side=specification.min_side)
        except UnreadableImage as error:
            errors.append({"path": item.path, "reason": str(error)})
            continue
        chances = dict(zip(specification.classes, explainer.probabilities([image])[0].tolist(), strict=True))
        predicted = max(chances, key=chances.__getitem__)
        shown = label or predicted
        file = folder / f"{number + 1:04d}-{_plain(Path(item.path).stem)}-{_plain(shown)}.png"
        _write(file, encode_png(overlay(image, explainer.explain([image], [shown])[0])))
        written.append(
            Explained(path=item.path, label=shown, probability=chances[shown], predicted=predicted, file=str(file))
        )
        if progress:
            progress(number + 1, len(pictures))
    return written, errors


def _plain(name: str) -> str:
    """Letters, digits, dots and dashes of a name, for a file of ours."""
    return re.sub(r"[^\w.-]+", "_", name)[:80]


def _write(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
