"""A model as a folder: safetensors, ONNX and a JSON specification, with digests; nothing in it can run code."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hematovision.errors import HematoVisionError, UsageError

SPECIFICATION, NETWORK, WEIGHTS, DIGESTS = "spec.json", "model.onnx", "model.safetensors", "digests.json"


class ModelSpecification(BaseModel):
    """What a network needs besides its weights, and where it came from.

    Attributes:
        classes: labels in the order of the logits.
        image_size: input side in pixels; pictures are resized without keeping their aspect.
        orientations: quarter turns of a picture whose logits the network averages.
        mean, deviation: per-channel normalisation of pixels in 0–1.
        temperature: logits are divided by it before the softmax (Guo et al. 2017).
        max_pixels, min_side: limits of a picture that is answered at all, in pixels.
        synthetic: trained on generated pictures only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    classes: list[str] = Field(min_length=2)
    image_size: int
    orientations: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    temperature: float = Field(gt=0)
    max_pixels: int
    min_side: int
    backbone: str
    weights: str
    data_version: str
    manifest_digest: str
    golden_digest: str
    seed: int
    synthetic: bool
    software: dict[str, str]


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_onnx(network: Any, side: int, target: Path) -> None:
    import torch

    from hematovision.learning.export import export_onnx

    class Served(torch.nn.Module):
        """Logits, and the mean and deviation of the frozen blocks' output as an embedding no training has touched."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            logits, taps = self.network.answer(images)
            centre = taps.mean((2, 3))
            spread = ((taps - centre[:, :, None, None]) ** 2).mean((2, 3)).sqrt()
            return logits, torch.cat([centre, spread], 1)

    export_onnx(Served(), target, side=side, outputs=["logits", "embedding"])


def write_package(folder: Path, network: Any, specification: ModelSpecification) -> Path:
    """Write a trained network (a `CellNetwork`) and its specification; the digests come last.

    Returns:
        The folder.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, folder / WEIGHTS)
    _write_onnx(network, specification.image_size, folder / NETWORK)
    (folder / SPECIFICATION).write_text(specification.model_dump_json(indent=2) + "\n")
    digests = {name: file_digest(folder / name) for name in (WEIGHTS, NETWORK, SPECIFICATION)}
    (folder / DIGESTS).write_text(json.dumps(digests, indent=2, sort_keys=True) + "\n")
    return folder


def package_digest(folder: Path) -> str:
    """One digest for the whole package: that of its list of digests."""
    return file_digest(folder / DIGESTS)


def verify_package(folder: Path) -> ModelSpecification:
    """Check every file against its digest, before any is loaded.

    Raises:
        UsageError: no model lies there.
        HematoVisionError: a file is missing, altered, or of a later format.
    """
    listing = folder / DIGESTS
    if not listing.is_file():
        raise UsageError(f"{folder} holds no HematoVision model: {DIGESTS} is missing.")
    expected = json.loads(listing.read_text())
    for name in (WEIGHTS, NETWORK, SPECIFICATION):
        if not (folder / name).is_file():
            raise HematoVisionError(f"{folder / name} is missing; the model is incomplete and is not loaded.")
        if file_digest(folder / name) != expected.get(name):
            raise HematoVisionError(f"{folder / name} is not the file that was registered; the model is not loaded.")
    try:
        return ModelSpecification.model_validate_json((folder / SPECIFICATION).read_text())
    except ValidationError as error:
        raise HematoVisionError(f"{folder / SPECIFICATION} cannot be read by this version: {error}") from error
