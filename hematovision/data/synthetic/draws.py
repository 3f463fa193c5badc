"""Random draws made only of `Generator.random`, so a stream means the same numbers on every machine."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hematovision.data.synthetic.arithmetic import FloatArray, blurred

_UNIT_VARIANCE = 12.279920495357862  # sqrt(12 · 4π): uniform noise of variance 1/12 blurred by sigma loses 4π sigma²


class Draws:
    """Random numbers, directions and noise fields from one generator, in the order asked for."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * float(self._rng.random())

    def around(self, middle: float, spread: float) -> float:
        """Bell-shaped in [middle - spread, middle + spread]: the mean of three uniform draws."""
        total = float(self._rng.random()) + float(self._rng.random()) + float(self._rng.random())
        return middle + spread * (total / 1.5 - 1.0)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return float(self._rng.random()) < probability

    def choose(self, weights: Sequence[float]) -> int:
        """An index, with probability in proportion to its weight."""
        total = 0.0
        for weight in weights:
            total += weight
        left = float(self._rng.random()) * total
        for index, weight in enumerate(weights):
            left -= weight
            if left < 0.0:
                return index
        return len(weights) - 1

    def direction(self) -> tuple[float, float]:
        """A unit vector of uniform direction (a point of the disc, by rejection, then normalised)."""
        while True:
            x, y = self.between(-1.0, 1.0), self.between(-1.0, 1.0)
            square = x * x + y * y
            if 0.01 < square < 1.0:
                length = math.sqrt(square)
                return x / length, y / length

    def uniform(self, *shape: int) -> FloatArray:
        """Uniform [0, 1) array of the given shape."""
        return self._rng.random(shape)

    def grain(self, shape: tuple[int, int], sigma: float) -> FloatArray:
        """Isotropic noise (H, W) of about zero mean and unit variance, correlated over `sigma` px (>= 0.6)."""
        return blurred(self.uniform(*shape) - 0.5, sigma * sigma) * (sigma * _UNIT_VARIANCE)

    def cloud(self, shape: tuple[int, int], period: float) -> FloatArray:
        """Smooth value noise (H, W) in (-1, 1) whose lattice has one random value every `period` px."""
        height, width = shape
        lattice = 2.0 * self.uniform(math.floor(height / period) + 3, math.floor(width / period) + 3) - 1.0
        rows, row_weight = _lattice_steps(height, period, self.between(0.0, 1.0))
        columns, column_weight = _lattice_steps(width, period, self.between(0.0, 1.0))
        across = lattice[rows] + (lattice[rows + 1] - lattice[rows]) * row_weight[:, None]
        return across[:, columns] + (across[:, columns + 1] - across[:, columns]) * column_weight


def _lattice_steps(length: int, period: float, shift: float) -> tuple[NDArray[np.int64], FloatArray]:
    position = np.arange(length).astype(np.float64) / period + shift
    index = np.floor(position)
    t = position - index
    return index.astype(np.int64), t * t * (3.0 - 2.0 * t)
