"""Strange pictures are flagged, ordinary ones at the stated rate."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hematovision.config import load_config
from hematovision.data.synthetic.dataset import draw_planned, planned_cells
from hematovision.data.synthetic.scanner import load_scanners
from hematovision.data.synthetic.settings import SyntheticPlan
from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import CONFIGS
from hematovision.learning.backbones import load_backbone
from hematovision.learning.features import embed
from hematovision.learning.preprocessing import normalise, resize
from hematovision.monitoring.strangeness import Familiar, fit_familiar, limit_for

SIDE = 64


def embedded(images: list[np.ndarray]) -> np.ndarray:
    settings = load_config(None, {"learning": {"backbone": {"weights": "none"}}}).learning.backbone
    backbone = load_backbone(settings, seed=3)
    pixels = np.stack([resize(image, SIDE) for image in images])
    with torch.inference_mode():
        return embed(backbone.lower(torch.from_numpy(normalise(pixels, backbone.mean, backbone.deviation))).numpy())


@pytest.fixture(scope="module")
def synthetic() -> tuple[np.ndarray, list[str], list[int]]:
    """Embeddings, labels and slide numbers of generated cells on 30 slides."""
    plan = SyntheticPlan(seed=8, image_size=SIDE, slides=30, cells_per_class_per_slide=1, scanner="A")
    scanner, planned = load_scanners(CONFIGS / "scanners.yaml")["A"], planned_cells(plan)
    slides = {name: number for number, name in enumerate(dict.fromkeys(cell.slide for cell in planned))}
    images = [draw_planned(plan, cell, scanner) for cell in planned]
    return embedded(images), [cell.cell_class for cell in planned], [slides[cell.slide] for cell in planned]


def strange() -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(4)
    page = np.full((SIDE, SIDE, 3), 255, dtype=np.uint8)
    for line in range(5):
        cv2.putText(page, "Not a cell", (1, 12 * line + 10), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (0, 0, 0), 1)
    return {
        "noise": [rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for _ in range(5)],
        "flat": [np.full((SIDE, SIDE, 3), shade, dtype=np.uint8) for shade in (0, 90, 180, 255)],
        "text": [page, 255 - page],
    }


def test_noise_blank_and_text_are_flagged_and_cells_of_new_slides_are_not(
    synthetic: tuple[np.ndarray, list[str], list[int]],
) -> None:
    embeddings, labels, slides = synthetic
    kept = np.array(slides) < 20
    known = [label for label, inside in zip(labels, kept, strict=True) if inside]
    folds = [slide % 4 for slide, inside in zip(slides, kept, strict=True) if inside]
    limit = limit_for(embeddings[kept], known, folds, false_flag_rate=0.02)
    familiar = fit_familiar(embeddings[kept], known)
    for kind, images in strange().items():
        assert (familiar.distances(embedded(images)) > limit.distance).all(), kind
    assert (familiar.distances(embeddings[~kept]) > limit.distance).mean() <= 0.1


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), rate=st.sampled_from([0.02, 0.05, 0.1]))
def test_the_stated_share_of_new_ordinary_cells_is_flagged(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(6, 6))

    def drawn(n: int) -> tuple[np.ndarray, list[str]]:
        member = rng.integers(0, 3, n)
        points = (rng.normal(size=(n, 6)) + 4 * np.eye(6)[member]) @ mixing
        return points.astype(np.float32), [str(number) for number in member]

    embeddings, labels = drawn(600)
    limit = limit_for(embeddings, labels, list(np.arange(600) % 5), false_flag_rate=rate)
    fresh, _ = drawn(4000)
    flagged = (fit_familiar(embeddings, labels).distances(fresh) > limit.distance).mean()
    assert abs(flagged - rate) < 5 * np.sqrt(rate / 600) + 0.01
    assert limit.false_flag_rate == rate and limit.cells == 600


def test_few_cells_state_the_rate_they_can_show() -> None:
    embeddings = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    limit = limit_for(embeddings, ["a", "b"] * 20, list(np.arange(40) // 10), false_flag_rate=0.01)
    assert limit.false_flag_rate == pytest.approx(1 / 41)


def test_a_cell_does_not_vouch_for_itself() -> None:
    """Without leaving folds out, cells of a fold of their own would look familiar."""
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(60, 4)).astype(np.float32)
    folds = np.arange(60) // 20
    embeddings[folds == 2] += 30
    limit = limit_for(embeddings, ["a"] * 60, list(folds), false_flag_rate=0.1)
    assert limit.distance > 2 * fit_familiar(embeddings, ["a"] * 60).distances(embeddings).max()


def test_a_channel_that_was_always_silent_is_noticed_when_it_speaks() -> None:
    embeddings = np.random.default_rng(2).normal(size=(50, 4)).astype(np.float32)
    embeddings[:, 3] = 0
    loud = np.array([[0, 0, 0, 50]], dtype=np.float32)
    familiar = fit_familiar(embeddings, ["a", "b"] * 25)
    assert familiar.distances(loud)[0] > familiar.distances(embeddings).max()


def test_what_is_saved_measures_the_same(tmp_path: Path) -> None:
    embeddings = np.random.default_rng(3).normal(size=(50, 4)).astype(np.float32)
    familiar = fit_familiar(embeddings, ["a", "b"] * 25)
    familiar.save(tmp_path / "familiar.safetensors")
    again = Familiar.load(tmp_path / "familiar.safetensors")
    np.testing.assert_array_equal(again.distances(embeddings), familiar.distances(embeddings))
    with pytest.raises(UsageError, match="4 dimensions"):
        again.distances(embeddings[:, :3])
    with pytest.raises(HematoVisionError, match="not learn|cannot learn"):
        fit_familiar(np.full((3, 2), np.nan, dtype=np.float32), ["a"] * 3)
