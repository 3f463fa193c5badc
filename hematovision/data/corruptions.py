"""What goes wrong between a smear and its picture: blur, stain, light, compression, each in five severities."""

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from hematovision.data.decoding import Pixels
from hematovision.data.settings import SEVERITIES, Corruption
from hematovision.errors import UsageError

REFERENCE_SIDE = 224
"""Pixels of the pictures that lengths (radii) in the strengths refer to; other sides are scaled to it."""

FloatImage = NDArray[np.float32]


def corruption_generator(sha256: str, name: str, seed: int) -> np.random.Generator:
    """The generator of one picture and corruption: neither order nor company changes it, and severities share it."""
    digest = hashlib.sha256(f"{sha256}:{name}:{seed}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint64))


def corrupt(image: Pixels, corruption: Corruption, severity: int, generator: np.random.Generator) -> Pixels:
    """A corrupted copy of an H×W×3 uint8 RGB image; severity 0 is the image itself.

    Kinds and strengths follow BloodMNIST-C (Di Salvo et al. 2024, MedMNIST-C, arXiv:2406.17536), which follows
    Hendrycks & Dietterich 2019; the stain shift is that of Tellez et al. 2019 (Medical Image Analysis 58).

    Raises:
        UsageError: a severity other than 0 to 5.
    """
    if not 0 <= severity <= SEVERITIES:
        raise UsageError(f"severity {severity}: give 1 to {SEVERITIES}, or 0 for the picture as it is")
    if severity == 0:
        return image.copy()
    return _APPLY[corruption.kind](image, corruption.strengths[severity - 1], generator)


def _scaled(image: Pixels, length: float) -> float:
    side = max(int(image.shape[0]), int(image.shape[1]))
    return length * side / REFERENCE_SIDE


def _to_pixels(values: FloatImage) -> Pixels:
    clipped: Pixels = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return clipped


def _filter(image: Pixels, kernel: FloatImage) -> Pixels:
    import cv2

    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101), dtype=np.uint8)


def _defocus(image: Pixels, radius: float, _: np.random.Generator) -> Pixels:
    """Mean over a disc of this radius, with a rim of one pixel that fades."""
    radius = _scaled(image, radius)
    reach = np.arange(-int(radius) - 1, int(radius) + 2)
    distance = np.hypot(reach[:, None], reach[None, :])
    return _filter(image, np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32))


def _motion(image: Pixels, sigma: float, generator: np.random.Generator) -> Pixels:
    """A one-sided Gaussian trail of this sigma, in a direction up to 45° from the horizontal."""
    angle = np.deg2rad(generator.uniform(-45, 45))
    sigma = _scaled(image, sigma)
    steps = np.arange(0, 2 * sigma + 0.25, 0.25)
    size = int(2 * sigma) + 1
    kernel = np.zeros((2 * size + 1, 2 * size + 1), np.float32)
    places = np.round(np.stack([steps * np.sin(angle), steps * np.cos(angle)])).astype(int) + size
    np.add.at(kernel, tuple(places), np.exp(-0.5 * (steps / sigma) ** 2).astype(np.float32))
    return _filter(image, kernel)


_RGB_FROM_HED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_HED_FROM_RGB = np.linalg.inv(_RGB_FROM_HED)


def _stain(image: Pixels, strength: float, generator: np.random.Generator) -> Pixels:
    """Each stain's density times 1 ± strength plus or minus strength / 5, at the far end of either range.

    Stains are separated by the haematoxylin–eosin–DAB vectors of Ruifrok & Johnston 2001: for May-Grünwald-Giemsa these
    are not its dyes but still a basis along which density and hue move together.
    """
    density = -np.log10((image.astype(np.float64) + 1) / 256)
    stains = density @ _HED_FROM_RGB
    factors = 1 + strength * generator.choice([-1.0, 1.0], 3)
    offsets = strength / 5 * generator.choice([-1.0, 1.0], 3)
    shifted = (stains * factors + offsets) @ _RGB_FROM_HED
    return _to_pixels((256 * 10**-shifted - 1).astype(np.float32))


def _jpeg(image: Pixels, quality: float, _: np.random.Generator) -> Pixels:
    """Compressed as JPEG of this quality, 1 to 100."""
    import cv2

    encoded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.ascontiguousarray(decoded[:, :, ::-1])


def _brightness(image: Pixels, factor: float, _: np.random.Generator) -> Pixels:
    """Values times this factor."""
    return _to_pixels(image.astype(np.float32) * np.float32(factor))


def _contrast(image: Pixels, factor: float, _: np.random.Generator) -> Pixels:
    """Distances from the mean luma times this factor."""
    centre = np.float32(image.reshape(-1, 3).mean(axis=0) @ np.array([0.299, 0.587, 0.114]))
    return _to_pixels((image.astype(np.float32) - centre) * np.float32(factor) + centre)


def _saturation(image: Pixels, added: float, _: np.random.Generator) -> Pixels:
    """Saturation of HSV (0–1) plus this much."""
    import cv2

    pixels = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    pixels[..., 1] = np.clip(pixels[..., 1] + added, 0, 1)
    return _to_pixels(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_HSV2RGB), dtype=np.float32) * 255)


def _pixelate(image: Pixels, share: float, _: np.random.Generator) -> Pixels:
    """Sides shrunk to this share of their pixels and blown up again."""
    import cv2

    height, width = image.shape[:2]
    small = (max(1, round(width * share)), max(1, round(height * share)))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


_BUBBLES, _VEIL, _RIM = 10, 100 / 255, 130 / 255


def _bubble(image: Pixels, radius: float, generator: np.random.Generator) -> Pixels:
    """Ten whitish discs at random places, with radii from 3 pixels to this one."""
    import cv2

    height, width = image.shape[:2]
    veil = np.zeros((height, width), np.float32)
    for across, down, part in generator.random((_BUBBLES, 3)):
        centre = (round(across * (width - 1)), round(down * (height - 1)))
        size = round(_scaled(image, 3 + part * (radius - 3)))
        cv2.circle(veil, centre, size + max(1, round(_scaled(image, 2))), _RIM, -1)
        cv2.circle(veil, centre, size, _VEIL, -1)
    return _to_pixels(image + (255 - image.astype(np.float32)) * veil[:, :, None])


_APPLY: Mapping[str, Callable[[Pixels, float, np.random.Generator], Pixels]] = {
    "defocus": _defocus,
    "motion": _motion,
    "stain": _stain,
    "jpeg": _jpeg,
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "pixelate": _pixelate,
    "bubble": _bubble,
}
