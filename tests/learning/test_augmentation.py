"""Views: fixed by the cell's bytes, changed within the settings, and never the untouched cell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hematovision.config import load_config
from hematovision.learning.augmentation import augment, view_generator
from hematovision.learning.extraction import views_of
from hematovision.learning.features import FeaturePlan
from hematovision.learning.preprocessing import choose_side, normalise, resize
from hematovision.learning.settings import AugmentationSettings


@pytest.fixture(scope="module")
def chosen() -> AugmentationSettings:
    return load_config().learning.augmentation


@pytest.fixture(scope="module")
def cell() -> np.ndarray:
    rows, columns = np.mgrid[0:64, 0:64]
    disc = ((rows - 30) ** 2 + (columns - 36) ** 2 < 200).astype(np.uint8)
    return np.stack([230 - 120 * disc, 200 - 150 * disc, 215 - 60 * disc], axis=-1).astype(np.uint8)


QUIET = ("brightness", "contrast", "saturation", "hue_degrees", "stain", "white_balance", "illumination", "blur")


def only(chosen: AugmentationSettings, **changes: float) -> AugmentationSettings:
    """Nothing but these changes, beside rotation and the like."""
    return chosen.model_copy(
        update={
            **dict.fromkeys((*QUIET, "dyes", "vignette", "sharpening", "noise"), 0.0),
            "jpeg_quality": 100,
            **changes,
        }
    )


def test_a_view_depends_on_the_cell_and_its_number_alone(chosen: AugmentationSettings, cell: np.ndarray) -> None:
    plan = FeaturePlan(64, 2, 5, chosen, "f32", 1)
    first = views_of("ab" * 32, cell, plan)
    np.testing.assert_array_equal(first, views_of("ab" * 32, cell, plan))
    assert (first != views_of("cd" * 32, cell, plan)).any()
    np.testing.assert_array_equal(first[0], cell)
    np.testing.assert_array_equal(first[1], cell[::-1, ::-1])
    assert len({view.tobytes() for view in first}) == 5


def test_no_strength_means_no_change(chosen: AugmentationSettings, cell: np.ndarray) -> None:
    strengths = ("rotation_degrees", "zoom", "shift", "brightness", "contrast", "saturation", "hue_degrees")
    photography = ("stain", "dyes", "white_balance", "illumination", "vignette", "blur", "sharpening", "noise")
    nothing = chosen.model_copy(
        update={**dict.fromkeys((*strengths, *photography), 0.0), "flips": False, "jpeg_quality": 100}
    )
    assert np.abs(augment(cell, view_generator("a", 1, 1), nothing).astype(int) - cell).max() <= 1


def test_more_dye_is_darker_and_white_stays_white(chosen: AugmentationSettings) -> None:
    stained = only(chosen, stain=0.5)
    grey, white = np.full((64, 64, 3), 120, np.uint8), np.full((64, 64, 3), 255, np.uint8)
    brightness = [augment(grey, view_generator("a", view, 1), stained).mean() for view in range(40)]
    assert min(brightness) < 105
    assert max(brightness) > 135
    assert all(augment(white, view_generator("a", view, 1), stained).min() >= 254 for view in range(8))


def test_light_has_a_slope(chosen: AugmentationSettings) -> None:
    lit = only(chosen, illumination=0.4)
    grey = np.full((64, 64, 3), 120, np.uint8)
    ranges = [np.ptp(augment(grey, view_generator("a", view, 1), lit).astype(int)) for view in range(10)]
    assert max(ranges) > 40


def views(image: np.ndarray, settings: AugmentationSettings, count: int = 24) -> np.ndarray:
    return np.stack([augment(image, view_generator("a", view, 1), settings) for view in range(count)]).astype(float)


def test_other_dyes_change_the_colour_of_what_is_stained_and_of_nothing_else(chosen: AugmentationSettings) -> None:
    stained, white = np.full((64, 64, 3), (120, 60, 140), np.uint8), np.full((64, 64, 3), 255, np.uint8)
    colours = views(stained, only(chosen, dyes=0.3))[:, 32, 32]
    assert (colours / colours.sum(1, keepdims=True)).std(0).max() > 0.01
    assert views(white, only(chosen, dyes=0.3)).min() >= 254


def test_corners_are_darker_than_the_middle(chosen: AugmentationSettings) -> None:
    found = views(np.full((64, 64, 3), 120, np.uint8), only(chosen, vignette=0.5))
    lost = found[:, 31:33, 31:33].mean((1, 2, 3)) - found[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean((1, 2))
    assert lost.min() > -1 and lost.max() > 30


def test_about_half_of_the_views_are_noisy_and_half_are_sharpened(
    chosen: AugmentationSettings, cell: np.ndarray
) -> None:
    flat = np.full((64, 64, 3), 120, np.uint8)
    noisy = views(flat, only(chosen, noise=0.1), 60).std((1, 2, 3)) > 0.6
    assert 15 < noisy.sum() < 45
    still = {"rotation_degrees": 0.0, "zoom": 0.0, "shift": 0.0, "flips": False}
    crisp = np.ptp(views(cell, only(chosen, sharpening=2.0, **still), 60), axis=(1, 2, 3)) > np.ptp(cell) + 3
    assert 15 < crisp.sum() < 45


def test_reflection_fills_what_a_rotation_opens(chosen: AugmentationSettings) -> None:
    white = np.full((64, 64, 3), 250, np.uint8)
    assert all(augment(white, view_generator("a", view, 1), only(chosen)).min() >= 249 for view in range(8))


@given(st.integers(8, 300), st.integers(8, 300), st.sampled_from([32, 96, 224]))
def test_resizing_gives_the_side_asked_for(height: int, width: int, side: int) -> None:
    assert resize(np.zeros((height, width, 3), np.uint8), side).shape == (side, side, 3)


def test_normalisation_is_the_backbones_own() -> None:
    pixels = np.full((1, 4, 4, 3), 255, np.uint8)
    pixels[..., 1] = 0
    changed = normalise(pixels, (0.5, 0.4, 0.3), (0.25, 0.2, 0.1))
    assert changed.shape == (1, 3, 4, 4)
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed[0, :, 0, 0], [2, -2, 7], rtol=1e-5)


@given(st.lists(st.integers(8, 2000), min_size=1, max_size=30))
def test_the_automatic_side_is_a_multiple_of_32_within_bounds(sides: list[int]) -> None:
    side = choose_side(np.array(sides), np.array(sides), smallest=96, largest=224)
    assert side % 32 == 0
    assert 96 <= side <= 224
    if 96 <= np.median(sides) <= 224:
        assert side >= np.median(sides) > side - 33
