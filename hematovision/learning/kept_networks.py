"""What networks have learnt, kept by content: safetensors, read back only where no bit has changed."""

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load, save

from hematovision.data.store import ImageStore
from hematovision.errors import HematoVisionError
from hematovision.learning.training import WarmStart


class NetworkStore:
    """Learnt weights in a folder, each under the SHA-256 of its bytes."""

    def __init__(self, folder: Path) -> None:
        self._bytes = ImageStore(folder)

    def put(self, learnt: Mapping[str, torch.Tensor]) -> str:
        """Keep what `CellNetwork.learnt` gave; returns its digest."""
        return self._bytes.put(save({name: tensor.detach().contiguous() for name, tensor in learnt.items()}))

    def read(self, digest: str) -> dict[str, torch.Tensor]:
        """What was kept. HematoVisionError where it is missing or altered."""
        return load(self._bytes.read(digest))

    def take(self, file: Path, digest: str) -> None:
        """Keep a file that was written by `put` elsewhere. HematoVisionError where its bytes are others."""
        if (found := self._bytes.put(file.read_bytes())) != digest:
            raise HematoVisionError(f"{file} holds {found[:12]}, not {digest[:12]}: the kept network was altered.")

    def path(self, digest: str) -> Path:
        """Where it lies."""
        return self._bytes.path(digest)


class Beginning(BaseModel):
    """Where a retrain goes on from.

    Attributes:
        version: `NAME/VERSION` of the model that goes on.
        model: digest of what its network had learnt. folds: of what the networks of its folds had, in order.
        fresh: content hashes of the cells that none of them saw.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    model: str
    folds: list[str]
    fresh: list[str]

    def of_model(self, networks: NetworkStore) -> WarmStart:
        """Where the model begins."""
        return WarmStart(networks.read(self.model), frozenset(self.fresh))

    def of_fold(self, fold: int, networks: NetworkStore) -> WarmStart:
        """Where a fold begins: at the network that never saw it."""
        return WarmStart(networks.read(self.folds[fold]), frozenset(self.fresh))
