"""The published recipe as a configuration: it says what is published, and learns through the real chain."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from hematovision.config import load_config
from hematovision.data.decoding import encode_png
from hematovision.data.store import ImageStore
from hematovision.errors import HematoVisionError
from hematovision.evaluation.prediction_sets import SetRule
from hematovision.learning.backbones import load_backbone
from hematovision.learning.features import FeatureCache, StoredViews, embed
from hematovision.learning.folds import FeatureSet, prepare_features, train_on
from hematovision.learning.preprocessing import normalise
from hematovision.learning.settings import LearningSettings
from hematovision.learning.training import Trained, predict_logits
from hematovision.monitoring.strangeness import FamiliarLimit, fit_familiar
from hematovision.registry.explanation import load_network
from hematovision.registry.package import ModelSpecification, write_package
from hematovision.registry.predictor import Predictor

CLASSES, SIDE = ["eosinophil", "lymphocyte", "monocyte"], 96
PUBLISHED = Path("recipes/published")


def test_it_is_what_is_published_without_its_flaws() -> None:
    learning = load_config(PUBLISHED).learning
    head, frozen, augmentation = learning.head, learning.training.frozen, learning.augmentation
    assert (head.pool, head.hidden, learning.training.dropout) == ("flatten", 128, 0.5)
    assert (frozen.epochs, frozen.batch_size, learning.training.fine_tuning.epochs) == (20, 32, 0)
    assert (augmentation.rotation_degrees, augmentation.zoom, augmentation.shift) == (15, 0.1, 0.1)
    assert augmentation.flips
    assert (frozen.schedule, frozen.weight_decay, frozen.averaging) == ("constant", 0, 0)
    assert learning.backbone.image_size == 224 and learning.orientations == 1


@pytest.fixture(scope="module")
def recipe() -> LearningSettings:
    """The recipe, smaller; random weights would leave next to nothing of a picture in its last map."""
    smaller = {
        "backbone": {"image_size": SIDE},
        "augmentation": {"views": 2},
        "training": {"frozen": {"epochs": 6, "batch_size": 8}},
    }
    return load_config(PUBLISHED, {"learning": smaller}).learning


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, ImageStore]:
    """Thirty pictures whose class is the channel that is bright."""
    store, rows = ImageStore(tmp_path_factory.mktemp("images")), []
    for number in range(30):
        image = np.random.default_rng(number).integers(0, 90, (40, 44, 3), np.uint8)
        image[..., number % 3] += 120
        rows.append((f"{number:02}.png", CLASSES[number % 3], store.put(encode_png(image), durable=False)))
    table = pd.DataFrame(rows, columns=["path", "label", "sha256"])
    return table.assign(group=table["path"], width=44, height=40), store


@pytest.fixture(scope="module")
def features(
    cells: tuple[pd.DataFrame, ImageStore], recipe: LearningSettings, tmp_path_factory: pytest.TempPathFactory
) -> FeatureSet:
    folder = tmp_path_factory.mktemp("features")
    return prepare_features(cells[0], cells[1], folder, recipe, max_pixels=10_000, workers=1, seed=3)


@pytest.fixture(scope="module")
def trained(cells: tuple[pd.DataFrame, ImageStore], features: FeatureSet, recipe: LearningSettings) -> Trained:
    return train_on(cells[0], features, CLASSES, recipe, seed=3, threads=1)


def test_every_place_of_the_last_map_reaches_the_hidden_layer(trained: Trained, features: FeatureSet) -> None:
    network = trained.network
    assert network.hidden[0].weight.shape == (128, 3 * 3 * 1280)
    assert network.head.weight.shape == (3, 128)
    with torch.inference_mode():
        images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
        maps = network.upper[:-1](network.lower(images))
        assert torch.equal(network.upper(network.lower(images)), maps.flatten(1))


def test_flattened_maps_stay_on_disk_and_are_what_the_network_computes(
    cells: tuple[pd.DataFrame, ImageStore], trained: Trained, features: FeatureSet
) -> None:
    cached = FeatureCache(Path(features.folder)).read(list(cells[0]["sha256"]))
    assert isinstance(cached.pooled, StoredViews)
    kept = cached.pooled[np.arange(4), 0]
    with torch.inference_mode():
        computed = trained.network.upper(torch.from_numpy(cached.taps[np.arange(4), 0]).float()).numpy()
    assert kept.dtype == np.float16
    np.testing.assert_allclose(kept, computed, rtol=5e-3, atol=5e-2)


def test_it_learns(cells: tuple[pd.DataFrame, ImageStore], trained: Trained, features: FeatureSet) -> None:
    assert {epoch.phase for epoch in trained.curves} == {"frozen"}
    cached = FeatureCache(Path(features.folder)).read(list(cells[0]["sha256"]))
    answers = predict_logits(trained.network, cached, np.arange(30)).argmax(1)
    assert (answers == np.arange(30) % 3).mean() > 0.8


def test_its_model_is_served_and_rebuilt(
    cells: tuple[pd.DataFrame, ImageStore], trained: Trained, recipe: LearningSettings, tmp_path: Path
) -> None:
    network = trained.network
    backbone = load_backbone(recipe.backbone, seed=3)
    images = np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    inputs = torch.from_numpy(normalise(images, backbone.mean, backbone.deviation))
    with torch.inference_mode():
        expected, below = network(inputs).numpy(), network.lower(inputs).numpy()
    specification = ModelSpecification(
        classes=CLASSES,
        image_size=SIDE,
        orientations=1,
        mean=backbone.mean,
        deviation=backbone.deviation,
        temperature=1.0,
        sets=SetRule(confidence=0.9, limits=[0.8, 0.3, 0.2], cells=[40, 40, 40]),
        familiar=FamiliarLimit(distance=2.5, false_flag_rate=0.01, cells=300),
        max_pixels=100_000,
        min_side=8,
        backbone="mobilenet_v2",
        frozen_blocks=backbone.frozen_blocks,
        pool="flatten",
        hidden=128,
        weights=backbone.weights,
        data_version="made up",
        manifest_digest="",
        golden_digest="",
        seed=3,
        synthetic=True,
        software={},
    )
    folder = write_package(tmp_path / "package", network, specification, fit_familiar(embed(below), CLASSES))
    np.testing.assert_allclose(Predictor.load(folder).answer_pixels(images).logits, expected, rtol=1e-4, atol=1e-4)
    with torch.inference_mode():
        assert torch.equal(load_network(folder)(inputs), network(inputs))


def test_another_head_is_another_network(recipe: LearningSettings, trained: Trained) -> None:
    from hematovision.learning.networks import CellNetwork

    plain = CellNetwork(load_backbone(recipe.backbone, seed=3), 3, 1, 0.0, torch.Generator())
    with pytest.raises(HematoVisionError, match="differs in"):
        plain.recall(trained.network.learnt())
