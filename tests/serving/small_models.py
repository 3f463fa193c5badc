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
from hematovision.ledger import open_ledger
from hematovision.monitoring.strangeness import Familiar, FamiliarLimit, fit_familiar
from hematovision.promotion.moves import begin, end, planned, read_history
from hematovision.registry.package import (
    DIGESTS,
    FAMILIAR,
    FILES,
    NETWORK,
    SPECIFICATION,
    WEIGHTS,
    ModelSpecification,
    file_digest,
    package_digest,
    write_package,
)
from hematovision.registry.versions import CHAMPION

CLASSES = ["eosinophil", "lymphocyte", "monocyte"]
NAME = "hematovision"


def _random_network(orientations: int = 1) -> tuple[Any, CellNetwork]:
    backbone = load_backbone(
        load_config(None, {"learning": {"backbone": {"weights": "none"}}}).learning.backbone, seed=4
    )
    return backbone, CellNetwork(backbone, len(CLASSES), orientations, 0.0, torch.Generator().manual_seed(4))


def _specification(backbone: Any, **changes: Any) -> ModelSpecification:
    usual = {
        "classes": CLASSES,
        "image_size": 64,
        "orientations": 1,
        "mean": (0.5, 0.5, 0.5),
        "deviation": (0.5, 0.5, 0.5),
        "temperature": 1.0,
        "sets": SetRule(confidence=0.95, limits=[0.6, 0.6, 0.6], cells=[40, 40, 40]),
        "familiar": FamiliarLimit(distance=2.0, false_flag_rate=0.01, cells=300),
        "max_pixels": 4_000_000,
        "min_side": 8,
        "backbone": "mobilenet_v2",
        "frozen_blocks": backbone.frozen_blocks,
        "weights": "none",
        "data_version": "first",
        "manifest_digest": "m",
        "golden_digest": "g",
        "seed": 4,
        "synthetic": True,
        "software": {},
    }
    return ModelSpecification.model_validate(usual | changes)


def build_small_model(folder: Path, *, side: int = 64) -> Path:
    """A package made in no time: its ONNX goes by the mean colour, its weights are those of a random MobileNetV2.

    Predictions come from the one and heat maps from the other, which is all a test of the service needs.
    """
    from safetensors.torch import save_file

    backbone, network = _random_network()
    specification = _specification(backbone, image_size=side)
    folder.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, folder / WEIGHTS)
    Familiar(np.zeros(3, np.float32), np.eye(3, dtype=np.float32), np.zeros((3, 3), np.float32)).save(folder / FAMILIAR)
    _write_mean_colour(folder / NETWORK, side)
    (folder / SPECIFICATION).write_text(specification.model_dump_json())
    for name in (*FILES, SPECIFICATION):
        redigest(folder, name)
    return folder


def build_random_model(folder: Path, *, side: int, orientations: int = 1) -> Path:
    """A package with a whole MobileNetV2 of random weights, as costly to ask as a trained one."""
    backbone, network = _random_network(orientations)
    network.eval()
    with torch.inference_mode():
        below = network.lower(torch.rand(12, 3, side, side, generator=torch.Generator().manual_seed(6)))
        network.standardise_on(network.upper(below).numpy()[:, None])
    specification = _specification(
        backbone,
        image_size=side,
        orientations=orientations,
        mean=backbone.mean,
        deviation=backbone.deviation,
        familiar=FamiliarLimit(distance=200.0, false_flag_rate=0.01, cells=300),
    )
    return write_package(folder, network, specification, fit_familiar(embed(below.numpy()), CLASSES * 4))


def _write_mean_colour(path: Path, side: int) -> None:
    """A network whose embedding is the mean colour, -1 to 1, and whose logits are six times that."""
    from onnx import TensorProto, helper, save

    number = TensorProto.FLOAT
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
        helper.make_node("Mul", ["embedding", "six"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean-colour",
        [helper.make_tensor_value_info("images", number, ["batch", 3, side, side])],
        [helper.make_tensor_value_info(name, number, ["batch", 3]) for name in ("logits", "embedding")],
        [helper.make_tensor("six", number, [1], [6.0])],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def variant(package: Path, folder: Path, **changes: Any) -> Path:
    """The same network under another specification: another model, with a digest of its own."""
    shutil.copytree(package, folder)
    written = json.loads((folder / SPECIFICATION).read_text()) | changes
    (folder / SPECIFICATION).write_text(json.dumps(written))
    redigest(folder, SPECIFICATION)
    return folder


def redigest(folder: Path, name: str) -> None:
    """List the file as it now is: what somebody would do who swaps a file and covers it up."""
    known = json.loads((folder / DIGESTS).read_text()) if (folder / DIGESTS).exists() else {}
    (folder / DIGESTS).write_text(json.dumps(known | {name: file_digest(folder / name)}))


def promote_without_review(client: Any, home: Home, name: str, version: str) -> None:
    """Make a version champion, in the ledger and in the registry, without the review that comes before it elsewhere."""
    ledger = open_ledger(home, None)
    history = read_history(ledger, name)
    digest = client.get_model_version(name, version).tags["model_digest"]
    before = history.champion
    move = planned("promotion", name, before, version, actor="user:tests", evidence={"model_digest": digest})
    begin(ledger, move, history)
    client.set_registered_model_alias(name, CHAMPION, version)
    end(ledger, move, "done")


class SmallRegistry:
    """An MLflow registry on sqlite whose versions are packages in folders."""

    def __init__(self, home: Home, name: str = NAME) -> None:
        from mlflow import MlflowClient

        self.home, self.name = home, name
        home.root.mkdir(parents=True, exist_ok=True)
        self.client = MlflowClient(tracking_uri=f"sqlite:///{home.root / 'mlflow.db'}")
        self.client.create_registered_model(name)

    def add(self, package: Path, *, alias: str | None = None) -> str:
        """Register a copy of a package; returns its version."""
        number = len(self.client.search_model_versions(f"name = '{self.name}'")) + 1
        folder = self.home.root / "models" / self.name / str(number)
        kept = Path(shutil.copytree(package, folder / "artifacts" / "package"))
        tags = {"model_digest": package_digest(kept), "data_version": "test"}
        created = self.client.create_model_version(self.name, source=folder.as_uri(), tags=tags)
        if alias:
            self.point(alias, str(created.version))
        return str(created.version)

    def package(self, version: str) -> Path:
        """Where a version's package lies."""
        return self.home.root / "models" / self.name / version / "artifacts" / "package"

    def point(self, alias: str, version: str) -> None:
        """Move an alias; `champion` as a promotion does, with its records in the ledger."""
        if alias == CHAMPION:
            promote_without_review(self.client, self.home, self.name, version)
        else:
            self.client.set_registered_model_alias(self.name, alias, version)


def cell(colour: tuple[int, int, int] = (60, 200, 60), side: int = 64) -> np.ndarray:
    """A picture of one colour, side×side×3 uint8; the class of the strongest of red, green and blue wins."""
    return np.full((side, side, 3), colour, np.uint8)
