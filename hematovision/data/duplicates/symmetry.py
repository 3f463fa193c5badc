"""Take the round shape out of a cell, so that two smooth discs are not called copies for being round."""

import math
from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hematovision.data.duplicates.signature import Array

_STRIDE = 3  # the search looks at every third pixel each way
_RING_WIDTH = 1.5
_ROUND_SHARE = 0.3  # where circles explain less of the detail, its exact oval does not matter
_ELONGATIONS = (1.0, 1.05, 1.12, 1.2)


class _Ellipse(NamedTuple):
    x: float
    y: float
    elongation: float
    angle: float


def without_round_shape(first: Array, second: Array, common: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Both h×w pictures less their mean along each of a family of ellipses, 0 outside `common`.

    The ellipses (centre, elongation, direction) are those that explain most of what the two share: round or oval
    cells agree along them whichever way they are turned, so that agreement says nothing about being the same cell.
    """
    coarse = common[::_STRIDE, ::_STRIDE]
    y, x = (_STRIDE * index.astype(np.float32) for index in np.nonzero(coarse))
    ellipse = _most_explaining(x, y, (first + second)[::_STRIDE, ::_STRIDE][coarse], common.shape)
    y, x = (index.astype(np.float32) for index in np.nonzero(common))
    rings = _rings(x, y, ellipse)
    pictures = []
    for picture in (first, second):
        left = np.zeros_like(picture)
        left[common] = picture[common] - _ring_means(picture[common], rings)
        pictures.append(left)
    return pictures[0], pictures[1]


def _most_explaining(x: Array, y: Array, values: Array, shape: tuple[int, ...]) -> _Ellipse:
    """Search the middle of the picture on a grid, then centre and shape in turn with shrinking steps."""

    def explained(ellipse: _Ellipse) -> float:
        return float((_ring_means(values, _rings(x, y, ellipse)) ** 2).sum())

    def best(ellipses: Iterable[_Ellipse]) -> _Ellipse:
        return max(ellipses, key=explained)

    height, width = shape
    grid = (0.3, 0.4, 0.5, 0.6, 0.7)
    ellipse = best(_Ellipse(u * width, v * height, 1.0, 0.0) for u, v in product(grid, grid))
    if explained(ellipse) < _ROUND_SHARE * float((values**2).sum()):
        return ellipse
    for fraction in (0.04, 0.02):
        step = fraction * float(np.sqrt(height * width))
        ellipse = best(_moved(ellipse, step))
        ellipse = best([ellipse, *_reshaped(ellipse)])
    return ellipse


def _moved(ellipse: _Ellipse, step: float) -> Iterator[_Ellipse]:
    for dx, dy in product((0, -step, step), repeat=2):
        yield ellipse._replace(x=ellipse.x + dx, y=ellipse.y + dy)


def _reshaped(ellipse: _Ellipse) -> Iterator[_Ellipse]:
    for elongation, angle in product(_ELONGATIONS, np.arange(8) * np.pi / 8):
        yield ellipse._replace(elongation=elongation, angle=float(angle))


def _rings(x: Array, y: Array, ellipse: _Ellipse) -> npt.NDArray[np.int64]:
    cosine, sine = math.cos(ellipse.angle), math.sin(ellipse.angle)
    along = (x - ellipse.x) * (cosine * ellipse.elongation) + (y - ellipse.y) * (sine * ellipse.elongation)
    across = (y - ellipse.y) * (cosine / ellipse.elongation) - (x - ellipse.x) * (sine / ellipse.elongation)
    return np.asarray(np.sqrt(along * along + across * across) * (1 / _RING_WIDTH), np.int64)


def _ring_means(values: Array, rings: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    sums, counts = np.bincount(rings, values), np.bincount(rings)
    return np.asarray((sums / np.maximum(counts, 1))[rings], np.float64)
