"""Small models of a real kind, with random weights, and a registry that holds them."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hematovision.config import load_config
from hematovision.evaluation.prediction_sets import SetRule
from hematovision.home import Home
from hematovision.learning.backbones import load_backbone
from hematovision.learning.features import embed
from hematovision.learning.networks import CellNetwork
from hematovision.monitoring.strangeness import FamiliarLimit, fit_familiar
from hematovision.registry.package import (
    DIGESTS,
    SPECIFICATION,
    ModelSpecification,
    file_digest,
    package_digest,
    write_package,
)

CLASSES = ["eosinophil", "lymphocyte", "monocyte"]
NAME = "hematovision"


def build_small_model(folder: Path, *, side: int = 64, orientations: int = 1, seed: int = 4) -> Path:
    """A package: MobileNetV2 with random weights; takes some seconds, so make it once."""
    backbone = load_backbone(
        load_config(None, {"learning": {"backbone": {"weights": "none"}}}).learning.backbone, seed=seed
    )
    network = CellNetwork(backbone, len(CLASSES), orientations, 0.0, torch.Generator().manual_seed(seed))
    torch.nn.init.normal_(network.head.weight, std=0.05, generator=torch.Generator().manual_seed(seed + 1))
    pictures = torch.rand(24, 3, side, side, generator=torch.Generator().manual_seed(seed + 2))
    with torch.inference_mode():
        below = network.lower(pictures)
        network.standardise_on(network.upper(below).numpy()[:, None])
        embeddings = embed(below.numpy())
    specification = ModelSpecification(
        classes=CLASSES,
        image_size=side,
        orientations=orientations,
        mean=(0.5, 0.5, 0.5),
        deviation=(0.3, 0.3, 0.3),
        temperature=1.0,
        sets=SetRule(confidence=0.95, limits=[0.6, 0.6, 0.6], cells=[40, 40, 40]),
        familiar=FamiliarLimit(distance=200.0, false_flag_rate=0.01, cells=300),
        max_pixels=4_000_000,
        min_side=8,
        backbone="mobilenet_v2",
        frozen_blocks=backbone.frozen_blocks,
        weights="none",
        data_version="first",
        manifest_digest="m",
        golden_digest="g",
        seed=seed,
        synthetic=True,
        software={},
    )
    return write_package(folder, network.eval(), specification, fit_familiar(embeddings, CLASSES * 8))


def variant(package: Path, folder: Path, **changes: Any) -> Path:
    """The same network under another specification: another model, with a digest of its own."""
    shutil.copytree(package, folder)
    written = json.loads((folder / SPECIFICATION).read_text()) | changes
    (folder / SPECIFICATION).write_text(json.dumps(written))
    redigest(folder, SPECIFICATION)
    return folder


def redigest(folder: Path, name: str) -> None:
    """List the file as it now is: what somebody would do who swaps a file and covers it up."""
    digests = json.loads((folder / DIGESTS).read_text()) | {name: file_digest(folder / name)}
    (folder / DIGESTS).write_text(json.dumps(digests))


class SmallRegistry:
    """An MLflow registry on sqlite whose versions are packages in folders."""

    def __init__(self, home: Home) -> None:
        import mlflow

        self.home = home
        home.root.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(home.tracking_uri)
        self.client = mlflow.MlflowClient(tracking_uri=home.tracking_uri)
        self.client.create_registered_model(NAME)

    def add(self, package: Path, *, alias: str | None = None) -> str:
        """Register a copy of a package; returns its version."""
        folder = self.home.root / "models" / f"{len(list((self.home.root / 'models').glob('*'))) + 1}"
        kept = Path(shutil.copytree(package, folder / "artifacts" / "package"))
        tags = {"model_digest": package_digest(kept), "data_version": "test"}
        created = self.client.create_model_version(NAME, source=folder.as_uri(), tags=tags)
        if alias:
            self.point(alias, str(created.version))
        return str(created.version)

    def package(self, version: str) -> Path:
        """Where a version's package lies."""
        return self.home.root / "models" / version / "artifacts" / "package"

    def point(self, alias: str, version: str) -> None:
        """Move an alias."""
        self.client.set_registered_model_alias(NAME, alias, version)


def cell(seed: int = 0, side: int = 64) -> np.ndarray:
    """A picture no cell is on: side×side×3 uint8."""
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
