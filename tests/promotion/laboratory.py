"""A small laboratory: coloured pictures as cells, a real package that tells them apart, versions of it in MLflow."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from hematovision.config import RunConfig, load_config
from hematovision.data.decoding import encode_png
from hematovision.data.golden import golden_part, rows_digest
from hematovision.data.manifest import DEVELOPMENT, GOLDEN, manifest_digest
from hematovision.data.store import ImageStore
from hematovision.data.validation import FailedExpectation, ValidationRecord
from hematovision.evaluation.prediction_sets import SetRule
from hematovision.home import Home
from hematovision.learning.backbones import load_backbone
from hematovision.learning.features import embed
from hematovision.learning.networks import CellNetwork
from hematovision.learning.preprocessing import normalise
from hematovision.monitoring.strangeness import FamiliarLimit, fit_familiar
from hematovision.promotion.evidence import VALIDATION
from hematovision.registry.mlflow_registry import Evidence, Registration, register
from hematovision.registry.package import (
    DIGESTS,
    SPECIFICATION,
    ModelSpecification,
    file_digest,
    package_digest,
    write_package,
)

CLASSES = ["eosinophil", "lymphocyte", "monocyte"]
HUES = np.array([[220, 60, 60], [60, 200, 70], [60, 70, 220]])
SIDE, MEAN, DEVIATION = 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
VALID = ValidationRecord(success=True, failed=[], statistics={})


def failure(severity: Any) -> ValidationRecord:
    """A validation in which one expectation of this severity failed."""
    one = FailedExpectation(
        expectation="expect_cells", column=None, severity=severity, message="too few cells", rows=[], count=0
    )
    return ValidationRecord(success=severity != "critical", failed=[one], statistics={})


def pictures(count: int, seed: int) -> np.ndarray:
    """Noise around the hue of each class in turn, (count, SIDE, SIDE, 3) uint8."""
    rng = np.random.default_rng(seed)
    hues = HUES[np.arange(count) % len(CLASSES)][:, None, None]
    return np.clip(hues + rng.normal(0, 25, (count, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def manifest(store: ImageStore | None = None, *, golden: int = 72, others: int = 36, seed: int = 1) -> pd.DataFrame:
    """A split table of cells, six a slide; their pictures go into the store."""
    count = golden + others
    encoded = [encode_png(image) for image in pictures(count, seed)]
    digests = [store.put(data, durable=False) if store else f"{seed}{place:063d}" for place, data in enumerate(encoded)]
    slides = [f"slide-{seed}-{place // 6}" for place in range(count)]
    return pd.DataFrame(
        {
            "path": [f"{seed}/{place:03d}.png" for place in range(count)],
            "label": [CLASSES[place % 3] for place in range(count)],
            "sha256": digests,
            "pixel_sha256": digests,
            "source_group": slides,
            "source_split": "",
            "width": SIDE,
            "height": SIDE,
            "brightness": 120.0,
            "contrast": 30.0,
            "sharpness": 50.0,
            "saturation": 80.0,
            "cluster": "",
            "group": slides,
            "split": [GOLDEN] * golden + [DEVELOPMENT] * others,
            "fold": [-1] * golden + [place % 3 for place in range(others)],
        }
    )


def specification(table: pd.DataFrame, **changes: Any) -> ModelSpecification:
    """What a model made from this table would say of itself."""
    told: dict[str, Any] = {
        "classes": CLASSES,
        "image_size": SIDE,
        "orientations": 1,
        "mean": MEAN,
        "deviation": DEVIATION,
        "temperature": 1.0,
        "sets": SetRule(confidence=0.95, limits=[0.6, 0.6, 0.6], cells=[40, 40, 40]),
        "familiar": FamiliarLimit(distance=1e6, false_flag_rate=0.01, cells=300),
        "max_pixels": 10_000,
        "min_side": 8,
        "backbone": "mobilenet_v2",
        "frozen_blocks": 4,
        "weights": "none",
        "data_version": "laboratory-1",
        "manifest_digest": manifest_digest(table),
        "golden_digest": rows_digest(golden_part(table)),
        "seed": 1,
        "synthetic": True,
        "software": {},
    }
    return ModelSpecification(**(told | changes))


def fitted_network() -> CellNetwork:
    """An untrained backbone under a head that logistic regression has taught the three hues."""
    from sklearn.linear_model import LogisticRegression

    settings = load_config(None, {"learning": {"backbone": {"weights": "none"}}}).learning.backbone
    network = CellNetwork(load_backbone(settings, seed=4), 3, 1, 0.0, torch.Generator().manual_seed(4)).eval()
    inputs = torch.from_numpy(normalise(pictures(60, 99), MEAN, DEVIATION))
    with torch.inference_mode():
        pooled = network.upper(network.lower(inputs)).numpy()
    network.standardise_on(pooled[:, None])
    scaled = (pooled - network.centre.numpy()) / network.spread.numpy()
    head = LogisticRegression(C=0.1, max_iter=500).fit(scaled, np.arange(60) % 3)
    network.head.weight.data = torch.from_numpy(head.coef_.astype(np.float32))
    network.head.bias.data = torch.from_numpy(head.intercept_.astype(np.float32))
    return network


def first_package(folder: Path, table: pd.DataFrame) -> Path:
    """A package that tells the three hues apart."""
    network = fitted_network()
    with torch.inference_mode():
        width = embed(network.lower(torch.zeros(1, 3, SIDE, SIDE)).numpy()).shape[1]
    embeddings = np.random.default_rng(6).normal(size=(60, width)).astype(np.float32)
    return write_package(folder, network, specification(table), fit_familiar(embeddings, CLASSES * 20))


def variant(package: Path, folder: Path, **changes: Any) -> Path:
    """The same network under another specification, with digests to match."""
    shutil.copytree(package, folder)
    told = json.loads((folder / SPECIFICATION).read_text()) | changes
    (folder / SPECIFICATION).write_text(json.dumps(told))
    digests = json.loads((folder / DIGESTS).read_text()) | {SPECIFICATION: file_digest(folder / SPECIFICATION)}
    (folder / DIGESTS).write_text(json.dumps(digests))
    return folder


def tags_of(package: Path) -> dict[str, str]:
    """The tags that registration gives a version."""
    told = json.loads((package / SPECIFICATION).read_text())
    return {
        **{name: told[name] for name in ("data_version", "manifest_digest", "golden_digest")},
        "model_digest": package_digest(package),
        "git_commit": "c" * 40,
        "zenml_run": "run-1",
        "requester": "user:ada",
    }


def registered(
    home: Home, name: str, package: Path, table: pd.DataFrame, *, validation: ValidationRecord | None = VALID
) -> Registration:
    """A version in the registry, as `publish` leaves it."""
    documents: dict[str, str] = {"data/manifest.csv": table.to_csv(index=False)}
    if validation:
        documents[VALIDATION] = validation.model_dump_json()
    reference = package.parent / "reference"
    reference.mkdir(exist_ok=True)
    (reference / "reference.json").write_text("{}")
    evidence = Evidence({}, {}, [], documents, {}, tags_of(package))
    return register(
        home, name, package, reference, encode_png(pictures(1, 5)[0]), evidence, lambda _: None, database=None
    )


@dataclass(frozen=True)
class Laboratory:
    """A registry in which version 1 is champion."""

    home: Home
    name: str
    table: pd.DataFrame
    config: RunConfig
    package: Path

    def uri(self, version: int) -> str:
        return f"models:/{self.name}/{version}"


@cache
def quick_config(policy: str | None = None) -> RunConfig:
    """Few resamples, so that tests are short."""
    changes: Mapping[str, Any] = {"evaluation": {"resamples": 200}, "promotion": {"policy": policy}}
    return load_config(None, changes)
