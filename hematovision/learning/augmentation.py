"""Views of a training cell: moved, stained, lit and photographed otherwise. Never used outside the training side."""

import hashlib
import math

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
    hue, saturation, value = cv2.split(cv2.cvtColor(image * np.float32(1 / 255), cv2.COLOR_RGB2HSV))
    hue += generator.uniform(-settings.hue_degrees, settings.hue_degrees)
    saturation = np.minimum(saturation * (1 + generator.uniform(-settings.saturation, settings.saturation)), 1)
    pixels = cv2.cvtColor(cv2.merge([hue, saturation.astype(np.float32), value]), cv2.COLOR_HSV2RGB)
    contrast = 1 + generator.uniform(-settings.contrast, settings.contrast)
    brightness = 255 * (1 + generator.uniform(-settings.brightness, settings.brightness))
    centre = np.mean(cv2.mean(pixels)[:3])
    return _to_bytes(pixels, contrast * brightness, (1 - contrast) * centre * brightness)


def _to_bytes(pixels: np.ndarray, factor: float, offset: float) -> np.ndarray:
    """`factor` · pixels + `offset`, rounded and kept within 0–255, in one pass."""
    return np.asarray(cv2.addWeighted(pixels, factor, pixels, 0, offset, dtype=cv2.CV_8U))


def _dyes_in_density() -> FloatArray:
    # Optical densities (red, green, blue) of methylene blue and eosin in a Giemsa stain, as in ImageJ's colour
    # deconvolution (Ruifrok & Johnston 2001; Landini et al. 2021); the third direction is what neither explains.
    blue, red = np.array([0.834750, 0.513556, 0.196330]), np.array([0.092789, 0.954111, 0.283111])
    rest = np.cross(blue, red)
    return np.stack([blue, red, rest / np.linalg.norm(rest)])


_DYES = _dyes_in_density()
_DENSITY = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)
_BYTES_DEVIATION = np.float32(1 / math.sqrt(2 * (256**2 - 1) / 12))


def _restain(image: np.ndarray, generator: np.random.Generator, settings: AugmentationSettings) -> np.ndarray:
    """H×W×3 uint8 with more or less of each dye (Tellez et al. 2018), dyes of another colour, and another light."""
    factors = 1 + generator.uniform(-settings.stain, settings.stain, 3)
    dyes = _DYES * (1 + generator.uniform(-settings.dyes, settings.dyes, (3, 3)))
    mixing = (np.linalg.inv(_DYES) @ np.diag(factors) @ dyes).T
    light = generator.uniform(-settings.white_balance, settings.white_balance, 3)
    density = np.asarray(cv2.transform(cv2.LUT(image, _DENSITY), np.column_stack([mixing, light])))
    fall = _fall_of_light(image.shape[0], generator, settings)
    return _to_bytes(cv2.exp(-cv2.add(density, cv2.merge([fall, fall, fall]))), 256, -1)


def _fall_of_light(side: int, generator: np.random.Generator, settings: AugmentationSettings) -> np.ndarray:
    """Natural-log light lost (side, side): a slope from edge to edge, and darker corners."""
    slope = generator.uniform(-settings.illumination, settings.illumination, 2)
    corners = generator.uniform(0, settings.vignette)
    place = np.linspace(-1, 1, side, dtype=np.float32)
    rows, columns = (slope[axis] * place + corners / 2 * place**2 for axis in (0, 1))
    fall: np.ndarray = (rows[:, None] + columns[None, :]).astype(np.float32)
    return fall


def _rephotograph(image: np.ndarray, generator: np.random.Generator, settings: AugmentationSettings) -> np.ndarray:
    """H×W×3 uint8 out of focus or sharpened, noisy, compressed: the last two in about every other view."""
    focus, blur = generator.random(), generator.uniform(0, settings.blur) * image.shape[0]
    sharpening, noise = generator.uniform(0, settings.sharpening), generator.uniform(0, settings.noise)
    noisy, compressed, quality = *(generator.random(2) < 0.5), generator.integers(settings.jpeg_quality, 101)
    if focus < 0.5 and blur > 0:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    elif focus > 0.5 and sharpening > 0:
        image = cv2.addWeighted(image, 1 + sharpening, cv2.GaussianBlur(image, (0, 0), 1.0), -sharpening, 0)
    if noisy and noise > 0:
        image = _to_bytes(image + np.float32(255 * noise) * _grain(image.shape, generator), 1, 0)
    if compressed and quality < 100:
        written = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
        image = np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR))[..., ::-1]
    return image


def _grain(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Noise of mean 0 and deviation 1: two random bytes added are near enough to normal, and sooner drawn."""
    drawn = np.frombuffer(generator.bytes(2 * math.prod(shape)), np.uint8).reshape(2, *shape).astype(np.float32)
    grain: np.ndarray = (drawn[0] + drawn[1] - 255) * _BYTES_DEVIATION
    return grain


def augment(image: np.ndarray, generator: np.random.Generator, settings: AugmentationSettings) -> np.ndarray:
    """One random view of a square H×H×3 uint8 RGB image; corners that a rotation opens are filled by reflection."""
    side, settings = image.shape[0], settings.at_strength()
    moved = cv2.warpAffine(
        image,
        _affine(side, generator, settings),
        (side, side),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    restained = _restain(moved, generator, settings)
    return np.ascontiguousarray(_rephotograph(_recolour(restained, generator, settings), generator, settings))
