"""Views of a training cell: rotated, flipped, zoomed, shifted, recoloured. Never used outside the training side."""

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

from hematovision.learning.settings import AugmentationSettings

FloatArray = NDArray[np.float64]


def view_generator(sha256: str, view: int, seed: int) -> np.random.Generator:
    """The generator of one view: fixed by the cell's bytes, so neither order nor company changes a view."""
    digest = hashlib.sha256(f"{sha256}:{view}:{seed}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint64))


def _affine(side: int, generator: np.random.Generator, settings: AugmentationSettings) -> FloatArray:
    angle = generator.uniform(-settings.rotation_degrees, settings.rotation_degrees)
    scale = 1 + generator.uniform(-settings.zoom, settings.zoom)
    matrix: FloatArray = np.array(cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, scale))
    matrix[:, 2] += generator.uniform(-settings.shift, settings.shift, 2) * side
    if settings.flips and generator.random() < 0.5:
        matrix = matrix @ np.array([[-1, 0, side - 1], [0, 1, 0], [0, 0, 1]], dtype=float)
    return matrix


def _recolour(image: np.ndarray, generator: np.random.Generator, settings: AugmentationSettings) -> np.ndarray:
    pixels = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    pixels[..., 0] = (pixels[..., 0] + generator.uniform(-settings.hue_degrees, settings.hue_degrees)) % 360
    pixels[..., 1] = np.clip(pixels[..., 1] * (1 + generator.uniform(-settings.saturation, settings.saturation)), 0, 1)
    pixels = cv2.cvtColor(pixels, cv2.COLOR_HSV2RGB)
    contrast = 1 + generator.uniform(-settings.contrast, settings.contrast)
    brightness = 1 + generator.uniform(-settings.brightness, settings.brightness)
    centre = pixels.mean()
    changed: np.ndarray = np.clip(((pixels - centre) * contrast + centre) * brightness * 255 + 0.5, 0, 255)
    return changed.astype(np.uint8)


def augment(image: np.ndarray, generator: np.random.Generator, settings: AugmentationSettings) -> np.ndarray:
    """One random view of a square H×H×3 uint8 RGB image; corners that a rotation opens are filled by reflection."""
    side = image.shape[0]
    moved = cv2.warpAffine(
        image,
        _affine(side, generator, settings),
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return _recolour(moved, generator, settings)
