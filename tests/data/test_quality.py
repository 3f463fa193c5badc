"""Quality measures: known pictures with known figures, and the order a person would give."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hematovision.data.quality import measure


def plain(colour: tuple[int, int, int], height: int = 20, width: int = 30) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def textured(side: int) -> np.ndarray:
    """Rings, drawn alike at any size."""
    rows, columns = (np.mgrid[0:side, 0:side] + 0.5) / side
    rings = 127 + 120 * np.sin(40 * np.hypot(rows - 0.4, columns - 0.55))
    return np.repeat(rings[:, :, np.newaxis], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("colour", "brightness", "saturation"),
    [
        ((0, 0, 0), 0, 0),
        ((255, 255, 255), 255, 0),
        ((255, 0, 0), 76, 1),
        ((0, 255, 0), 150, 1),
        ((200, 100, 100), 130, 0.5),
    ],
)
def test_a_plain_colour(colour: tuple[int, int, int], brightness: float, saturation: float) -> None:
    measures = measure(plain(colour))
    assert (measures.width, measures.height) == (30, 20)
    assert measures.brightness == pytest.approx(brightness, abs=1)
    assert measures.saturation == pytest.approx(saturation, abs=0.01)
    assert (measures.contrast, measures.sharpness) == (0, 0)


def test_contrast_is_the_standard_deviation_of_luma() -> None:
    halves = plain((255, 255, 255))
    halves[:, :15] = 0
    assert measure(halves).contrast == pytest.approx(127.5)


def test_blur_lowers_sharpness_and_little_else() -> None:
    sharp = textured(200)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 4)
    assert measure(blurred).sharpness < 0.5 * measure(sharp).sharpness
    assert measure(blurred).brightness == pytest.approx(measure(sharp).brightness, abs=2)


def test_sharpness_compares_across_sizes() -> None:
    small, large = measure(textured(160)).sharpness, measure(textured(640)).sharpness
    assert large == pytest.approx(small, rel=0.2)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_every_measure_keeps_to_its_range(height: int, width: int, seed: int) -> None:
    measures = measure(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
    assert 0 <= measures.brightness <= 255
    assert 0 <= measures.contrast <= 127.5
    assert measures.sharpness >= 0
    assert 0 <= measures.saturation <= 1
