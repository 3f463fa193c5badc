"""A model as a folder: safetensors, ONNX and a JSON specification, with digests; nothing in it can run code."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hematovision.errors import HematoVisionError, UsageError
from hematovision.evaluation.prediction_sets import SetRule
from hematovision.learning.settings import Pool
from hematovision.monitoring.strangeness import Familiar, FamiliarLimit

SPECIFICATION, NETWORK, WEIGHTS, DIGESTS = "spec.json", "model.onnx", "model.safetensors", "digests.json"
FAMILIAR = "familiar.safetensors"
FILES = (WEIGHTS, NETWORK, FAMILIAR)
FORMAT = 2


class AdaptedTo(BaseModel):
    """Unlabelled pictures that a model's batch norms were moved towards.

    Attributes:
        base: the version, NAME/VERSION, whose weights these are. pictures: how many. digest: of their content hashes.
        prior: pictures that the statistics of training counted for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str
    pictures: int
    digest: str
    prior: float


class ModelSpecification(BaseModel):
    """What a network needs besides its weights, and where it came from.

    Attributes:
        classes: labels in the order of the logits.
        image_size: input side in pixels; pictures are resized without keeping their aspect.
        orientations: quarter turns of a picture whose logits the network averages.
        mean, deviation: per-channel normalisation of pixels in 0–1.
        frozen_blocks: leading blocks of the backbone that training left as they were.
        pool, hidden: what stands on the backbone, as in `learning.head`.
        temperature: logits are divided by it before the softmax (Guo et al. 2017).
        sets: which classes a probability cannot exclude.
        familiar: how far from the cells it learnt from a picture may lie before it is flagged.
        max_pixels, min_side: limits of a picture that is answered at all, in pixels.
        synthetic: trained on generated pictures only.
        adapted: what it was moved towards after its training, without labels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    classes: list[str] = Field(min_length=2)
    image_size: int
    orientations: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    temperature: float = Field(gt=0)
    sets: SetRule
    familiar: FamiliarLimit
    max_pixels: int
    min_side: int
    backbone: str
    frozen_blocks: int
    pool: Pool = "average"
    hidden: int = Field(default=0, ge=0)
    weights: str
    data_version: str
    manifest_digest: str
    golden_digest: str
    seed: int
    synthetic: bool
    software: dict[str, str]
    adapted: AdaptedTo | None = None

    @model_validator(mode="after")
    def _one_limit_a_class(self) -> Self:
        if len(self.sets.limits) != len(self.classes):
            raise ValueError(f"{len(self.sets.limits)} set limits do not fit {len(self.classes)} classes")
        return self


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


def write_package(folder: Path, network: Any, specification: ModelSpecification, familiar: Familiar) -> Path:
    """Write a trained network (a `CellNetwork`), what it finds familiar and its specification; the digests come last.

    Returns:
        The folder.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, folder / WEIGHTS)
    familiar.save(folder / FAMILIAR)
    _write_onnx(network, specification.image_size, folder / NETWORK)
    (folder / SPECIFICATION).write_text(specification.model_dump_json(indent=2) + "\n")
    digests = {name: file_digest(folder / name) for name in (*FILES, SPECIFICATION)}
    (folder / DIGESTS).write_text(json.dumps(digests, indent=2, sort_keys=True) + "\n")
    return folder


def package_digest(folder: Path) -> str:
    """One digest for the whole package: that of its list of digests."""
    return file_digest(folder / DIGESTS)


def _check_digest(path: Path, expected: dict[str, str]) -> None:
    if not path.is_file():
        raise HematoVisionError(f"{path} is missing; the model is incomplete and is not loaded.")
    if file_digest(path) != expected.get(path.name):
        raise HematoVisionError(f"{path} is not the file that was registered; the model is not loaded.")


def _check_format(path: Path) -> None:
    found = json.loads(path.read_text()).get("format")
    if found == 1:
        raise HematoVisionError(
            f"{path} is of format 1, from before prediction sets and strangeness; train and register the model again."
        )
    if found != FORMAT:
        raise HematoVisionError(
            f"{path} is of format {found}; this version reads format {FORMAT}: update HematoVision."
        )


def verify_package(folder: Path) -> ModelSpecification:
    """Check every file against its digest, before any is loaded.

    Raises:
        UsageError: no model lies there.
        HematoVisionError: a file is missing, altered, or of another format.
    """
    listing = folder / DIGESTS
    if not listing.is_file():
        raise UsageError(f"{folder} holds no HematoVision model: {DIGESTS} is missing.")
    expected = json.loads(listing.read_text())
    _check_digest(folder / SPECIFICATION, expected)
    _check_format(folder / SPECIFICATION)
    for name in FILES:
        _check_digest(folder / name, expected)
    try:
        return ModelSpecification.model_validate_json((folder / SPECIFICATION).read_text())
    except ValidationError as error:
        raise HematoVisionError(f"{folder / SPECIFICATION} cannot be read by this version: {error}") from error
