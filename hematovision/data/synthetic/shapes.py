"""Outlines as signed distances in µm (negative inside), combined with smooth unions."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from hematovision.data.synthetic.arithmetic import FloatArray, smoothstep
from hematovision.data.synthetic.draws import Draws


@dataclass(frozen=True)
class Field:
    """Coordinates in µm of every pixel centre (H, W); (0, 0) is the middle of a fresh field."""

    x: FloatArray
    y: FloatArray
    pixels_per_um: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.x.shape[0], self.x.shape[1]

    @property
    def reach(self) -> float:
        """Largest coordinate in µm, of either sign and axis."""
        x, y = self.x, self.y
        corners = (x[0, 0], x[-1, -1], y[0, 0], y[-1, -1])
        return max(abs(float(corner)) for corner in corners)

    @property
    def half_width(self) -> float:
        """Half the width in µm."""
        return 0.5 * self.shape[1] / self.pixels_per_um

    @classmethod
    def of(cls, size: int, width_um: float) -> Self:
        """A square field of `size` px that is `width_um` wide."""
        steps = (np.arange(size).astype(np.float64) + 0.5) * (width_um / size) - 0.5 * width_um
        x = np.zeros((size, size)) + steps
        y = np.zeros((size, size)) + steps[:, None]
        return cls(x, y, size / width_um)

    def warped(self, draws: Draws, *, amplitude_um: float, period_um: float) -> Self:
        """The same field with its coordinates pushed about smoothly, which makes every outline on it irregular."""
        period = period_um * self.pixels_per_um
        x = self.x + amplitude_um * draws.cloud(self.shape, period)
        y = self.y + amplitude_um * draws.cloud(self.shape, period)
        return type(self)(x, y, self.pixels_per_um)

    def seen_from(self, x: float, y: float, rows: slice, columns: slice) -> Self:
        """The part of the field in a window, with its origin moved to (x, y)."""
        return type(self)(self.x[rows, columns] - x, self.y[rows, columns] - y, self.pixels_per_um)

    def window(self, x: float, y: float, radius: float) -> tuple[slice, slice]:
        """Rows and columns, on a fresh field, of the square round (x, y) that reaches `radius` µm; may be empty."""
        return self._span(y, radius, self.shape[0]), self._span(x, radius, self.shape[1])

    def _span(self, centre: float, radius: float, length: int) -> slice:
        middle = centre * self.pixels_per_um + 0.5 * length
        reach = radius * self.pixels_per_um
        return slice(max(0, math.floor(middle - reach)), max(0, min(length, math.floor(middle + reach) + 2)))


@dataclass(frozen=True)
class Lobe:
    """A disc, µm."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Chain:
    """Discs joined one after the other by links of the given radius: round, oval, band and segmented nuclei alike."""

    lobes: tuple[Lobe, ...]
    link: float
    blend: float

    def distance(self, field: Field) -> FloatArray:
        """Signed distance (H, W) in µm to the outline of the chain."""
        total = disc(field, self.lobes[0])
        for before, lobe in zip(self.lobes, self.lobes[1:], strict=False):
            total = union(total, capsule(field, before, lobe, self.link), self.blend)
            total = union(total, disc(field, lobe), self.blend)
        return total


def disc(field: Field, lobe: Lobe) -> FloatArray:
    """Signed distance to a disc."""
    dx, dy = field.x - lobe.x, field.y - lobe.y
    return np.sqrt(dx * dx + dy * dy) - lobe.radius


def ellipse(field: Field, radius: float, elongation: float, axis: tuple[float, float]) -> FloatArray:
    """About the signed distance to an ellipse round the origin with half-axes radius·e and radius/e."""
    along = (field.x * axis[0] + field.y * axis[1]) / elongation
    across = (field.y * axis[0] - field.x * axis[1]) * elongation
    return np.sqrt(along * along + across * across) - radius


def capsule(field: Field, start: Lobe, end: Lobe, radius: float) -> FloatArray:
    """Signed distance to the segment between two centres, thickened by `radius`."""
    ex, ey = end.x - start.x, end.y - start.y
    dx, dy = field.x - start.x, field.y - start.y
    t = np.minimum(np.maximum((dx * ex + dy * ey) / (ex * ex + ey * ey + 1e-9), 0.0), 1.0)
    dx, dy = dx - t * ex, dy - t * ey
    return np.sqrt(dx * dx + dy * dy) - radius


def union(a: FloatArray, b: FloatArray, blend: float) -> FloatArray:
    """Union of two outlines whose crease is rounded over `blend` µm (the polynomial smooth minimum of I. Quilez)."""
    overlap = np.maximum(blend - np.abs(a - b), 0.0)
    return np.minimum(a, b) - overlap * overlap / (4.0 * blend)


def inside(distance: FloatArray, softness: float) -> FloatArray:
    """Coverage in [0, 1] of a signed distance: 1 inside, 0 outside, over an edge 2·softness µm wide."""
    return smoothstep(softness, -softness, distance)
