"""Corruptions: the picture keeps its form, worse means worse, and the same draw gives the same pixels."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hematovision.config import load_config
from hematovision.data.corruptions import corrupt, corruption_generator
from hematovision.data.settings import Corruption
from hematovision.errors import UsageError

ALL = load_config().robustness.corruptions
ASKED = pytest.mark.parametrize("name", sorted(ALL))


def cell(height: int = 96, width: int = 96) -> np.ndarray:
    image = np.full((height, width, 3), (240, 222, 205), dtype=np.uint8)
    cv2.circle(image, (width // 2, height // 2), min(height, width) // 3, (200, 160, 190), -1)
    cv2.circle(image, (width // 2, height // 2 - 5), min(height, width) // 6, (90, 40, 130), -1)
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def spoilt(name: str, severity: int, image: np.ndarray, sha256: str = "a") -> np.ndarray:
    return corrupt(image, ALL[name], severity, corruption_generator(sha256, name, 3))


def change(name: str, severity: int) -> float:
    image = cell()
    return float(np.abs(spoilt(name, severity, image).astype(int) - image).mean())


@ASKED
def test_severity_five_changes_more_than_one_and_zero_nothing(name: str) -> None:
    assert change(name, 0) == 0
    assert 0 < change(name, 1) < change(name, 5)


@ASKED
def test_the_same_cell_is_spoilt_the_same_way_and_is_itself_left_alone(name: str) -> None:
    image = cell()
    first, again = spoilt(name, 3, image), spoilt(name, 3, image)
    assert np.array_equal(first, again)
    assert np.array_equal(image, cell())


@pytest.mark.parametrize("name", ["motion blur", "bubbles", "stain shift"])
def test_another_cell_draws_anew(name: str) -> None:
    image = cell()
    assert any(not np.array_equal(spoilt(name, 5, image, "a"), spoilt(name, 5, image, other)) for other in "bcdef")


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(sorted(ALL)),
    severity=st.integers(0, 5),
    height=st.integers(8, 70),
    width=st.integers(8, 70),
    value=st.sampled_from([0, 255, 128]),
)
def test_shape_and_type_are_kept_for_any_picture(name: str, severity: int, height: int, width: int, value: int) -> None:
    image = np.full((height, width, 3), value, dtype=np.uint8)
    out = spoilt(name, severity, image)
    assert out.shape == image.shape
    assert out.dtype == np.uint8
    assert out.flags["C_CONTIGUOUS"]


def test_each_does_what_its_name_says() -> None:
    image = cell()

    def sharpness(pixels: np.ndarray) -> float:
        return float(cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())

    assert spoilt("darker", 5, image).mean() == pytest.approx(image.mean() / 2, rel=0.02)
    assert spoilt("brighter", 3, image).mean() > image.mean()
    assert (
        spoilt("less contrast", 5, image).std()
        < 0.7 * image.std()
        < image.std()
        < spoilt("more contrast", 5, image).std()
    )
    assert sharpness(spoilt("defocus blur", 3, image)) < 0.3 * sharpness(image)
    assert sharpness(spoilt("motion blur", 3, image)) < 0.5 * sharpness(image)
    hues = [
        cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)[..., 1].mean() for pixels in (image, spoilt("over-stained", 5, image))
    ]
    assert hues[1] > hues[0] + 30


def test_an_unknown_severity_is_refused() -> None:
    with pytest.raises(UsageError, match="severity 6"):
        spoilt("JPEG", 6, cell())
    with pytest.raises(ValidationError, match="strengths"):
        Corruption(kind="jpeg", strengths=[1, 2], says="")
