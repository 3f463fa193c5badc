"""Frozen features: what torch computes, kept by content, computed once, read a batch at a time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hematovision.config import load_config
from hematovision.errors import HematoVisionError
from hematovision.learning import extraction
from hematovision.learning.backbones import Backbone, load_backbone
from hematovision.learning.extraction import extract_features, views_of
from hematovision.learning.features import FeatureCache, FeaturePlan
from hematovision.learning.inference import openvino_core
from hematovision.learning.preprocessing import normalise

CELLS = {f"{number:064x}": np.random.default_rng(number).integers(0, 256, (40, 48, 3), np.uint8) for number in range(5)}


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(load_config(None, {"learning": {"backbone": {"weights": "none"}}}).learning.backbone, seed=3)


@pytest.fixture(scope="module")
def plan() -> FeaturePlan:
    return FeaturePlan(64, 2, 3, load_config().learning.augmentation, "f32", 1)


def extract(
    identities: list[str], backbone: Backbone, plan: FeaturePlan, folder: Path, asked: list[str]
) -> FeatureCache:
    def read(sha256: str) -> np.ndarray:
        asked.append(sha256)
        return CELLS[sha256]

    return extract_features(identities, read, backbone, plan, folder, batch_size=4, workers=2)


def test_features_are_what_torch_computes(backbone: Backbone, plan: FeaturePlan, tmp_path: Path) -> None:
    features = extract(list(CELLS), backbone, plan, tmp_path, []).read(list(CELLS))
    assert features.taps.shape == (5, 3)
    for row, (sha256, image) in enumerate(CELLS.items()):
        inputs = torch.from_numpy(normalise(views_of(sha256, image, plan), backbone.mean, backbone.deviation))
        with torch.inference_mode():
            taps = backbone.lower(inputs)
            pooled = backbone.upper(taps).numpy()
        rows, views = np.full(3, row), np.arange(3)
        np.testing.assert_allclose(features.taps[rows, views], taps.numpy(), rtol=2e-3, atol=2e-2)
        np.testing.assert_allclose(features.pooled[row], pooled, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(
    "BF16" not in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
    reason="this CPU does not compute in bf16",
)
def test_reduced_precision_agrees_or_is_refused(
    plan: FeaturePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = load_backbone(load_config().learning.backbone, seed=3)
    reduced = replace(plan, precision="bf16")
    exact = extract(list(CELLS), backbone, plan, tmp_path / "exact", []).read(list(CELLS)).pooled
    found = extract(list(CELLS), backbone, reduced, tmp_path / "reduced", []).read(list(CELLS)).pooled
    scale = np.linalg.norm(exact, axis=-1) * np.linalg.norm(found, axis=-1)
    assert ((exact * found).sum(-1) / scale).min() > 0.95
    monkeypatch.setattr(extraction, "LEAST_AGREEMENT", 1.1)
    with pytest.raises(HematoVisionError, match=r"precision: f32"):
        extract(list(CELLS), backbone, reduced, tmp_path / "strict", [])


def test_what_cannot_be_kept_ends_the_extraction(
    backbone: Backbone, plan: FeaturePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(FeatureCache, "write", full)
    with pytest.raises(OSError, match="no space"):
        extract(list(CELLS), backbone, plan, tmp_path, [])


def test_a_known_cell_is_never_computed_again(backbone: Backbone, plan: FeaturePlan, tmp_path: Path) -> None:
    first, second, third = list(CELLS)[:3], list(CELLS), list(CELLS)
    asked: list[str] = []
    extract(first, backbone, plan, tmp_path, asked)
    extract(second, backbone, plan, tmp_path, asked)
    cache = extract(third, backbone, plan, tmp_path, asked)
    assert sorted(asked) == sorted(CELLS)
    cache.path(next(iter(CELLS))).unlink()
    extract(third, backbone, plan, tmp_path, asked)
    assert len(asked) == len(CELLS) + 1


def test_what_decides_a_feature_names_its_folder(backbone: Backbone, plan: FeaturePlan) -> None:
    other = load_backbone(load_config(None, {"learning": {"backbone": {"weights": "none"}}}).learning.backbone, seed=4)
    weaker = plan.augmentation.model_copy(update={"zoom": plan.augmentation.zoom / 2})
    changed = [
        FeaturePlan(96, 2, 3, plan.augmentation, "f32", 1),
        FeaturePlan(64, 2, 4, plan.augmentation, "f32", 1),
        FeaturePlan(64, 2, 3, weaker, "f32", 1),
        FeaturePlan(64, 2, 3, plan.augmentation, "f32", 2),
        FeaturePlan(64, 1, 3, plan.augmentation, "f32", 1),
    ]
    digests = [plan.digest(backbone), plan.digest(other), *(each.digest(backbone) for each in changed)]
    assert len(set(digests)) == len(digests)
    assert plan.digest(backbone) == plan.digest(backbone)


def test_a_head_alone_keeps_the_maps_of_the_untouched_cell_and_finds_those_of_a_whole_run(
    backbone: Backbone, plan: FeaturePlan, tmp_path: Path
) -> None:
    head, asked = replace(plan, mapped_views=1), []
    short = extract(list(CELLS), backbone, head, tmp_path, asked).read(list(CELLS))
    assert (short.taps.shape, short.pooled.shape[1]) == ((5, 1), 3)
    whole = extract(list(CELLS), backbone, plan, tmp_path, asked).read(list(CELLS))
    assert whole.taps.shape == (5, 3) and len(asked) == 10, "fine-tuning needs the maps of every view"
    np.testing.assert_array_equal(short.pooled, whole.pooled)
    extract(list(CELLS), backbone, head, tmp_path, asked)
    assert len(asked) == 10, "what a whole run computed is enough for a head"


def test_where_blocks_are_trained_pooled_features_of_the_orientations_are_enough(
    backbone: Backbone, plan: FeaturePlan, tmp_path: Path
) -> None:
    tuned, asked = replace(plan, pooled_views=2), []
    short = extract(list(CELLS), backbone, tuned, tmp_path / "short", asked).read(list(CELLS))
    assert (short.taps.shape, short.pooled.shape[1]) == ((5, 3), 2)
    whole = extract(list(CELLS), backbone, plan, tmp_path / "whole", []).read(list(CELLS))
    np.testing.assert_allclose(short.pooled, whole.pooled[:, :2], rtol=1e-5, atol=1e-6)
    rows, views = np.repeat(np.arange(5), 3), np.tile(np.arange(3), 5)
    np.testing.assert_array_equal(short.taps[rows, views], whole.taps[rows, views])


def test_a_head_and_a_whole_network_leave_each_other_what_they_computed(
    backbone: Backbone, plan: FeaturePlan, tmp_path: Path
) -> None:
    head, tuned, asked = replace(plan, mapped_views=1), replace(plan, pooled_views=2), []
    for each in (tuned, head, tuned, head):
        features = extract(list(CELLS), backbone, each, tmp_path, asked).read(list(CELLS))
    assert len(asked) == 10, "computed once for either, and neither threw away the other's"
    assert (features.taps.shape, features.pooled.shape[1]) == ((5, 3), 3)
    assert features.pooled_to(2).pooled.shape[1] == 2, "a run sees the views it asked for, whatever the cache holds"
