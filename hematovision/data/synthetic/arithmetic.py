"""Arithmetic that gives the same bits on every CPU.

Only operations which IEEE 754 rounds exactly (+ - * / sqrt), comparisons, floor/rint and integers are used, one ufunc
at a time: numpy dispatches exp, sin, power and every reduction to code that differs between processors.
"""

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_EXP_SQUARINGS = 10


def clamp(values: FloatArray, low: float, high: float) -> FloatArray:
    """Values limited to [low, high]."""
    return np.minimum(np.maximum(values, low), high)


def smoothstep(low: float, high: float, values: FloatArray) -> FloatArray:
    """Cubic ramp from 0 at `low` to 1 at `high` (3t² - 2t³); `high` may lie below `low` for a falling ramp."""
    t = clamp((values - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def exp_negative(values: FloatArray) -> FloatArray:
    """exp(-x) for x >= 0 as 1 / (1 + x/1024)^1024, by repeated squaring; relative error below 1 % for x < 4."""
    power = 1.0 + values / float(1 << _EXP_SQUARINGS)
    for _ in range(_EXP_SQUARINGS):
        power = power * power
    return 1.0 / power


def blurred(image: FloatArray, variance: float) -> FloatArray:
    """The image (..., H, W) smoothed by binomial kernels to a kernel variance given in px².

    Each [1 2 1]/4 pass adds a variance of 1/2; the fraction left over is blended in, so the variance is continuous.
    """
    passes = 2.0 * variance
    whole = math.floor(passes)
    for _ in range(whole):
        image = _binomial_pass(image)
    rest = passes - whole
    return image if rest == 0.0 else image + rest * (_binomial_pass(image) - image)


def _binomial_pass(image: FloatArray) -> FloatArray:
    for axis in (-1, -2):
        image = np.swapaxes(_binomial_rows(np.swapaxes(image, axis, -1)), axis, -1)
    return image


def _binomial_rows(image: FloatArray) -> FloatArray:
    quarter = image * 0.25
    smooth = image * 0.5
    smooth[..., 1:] += quarter[..., :-1]
    smooth[..., 0] += quarter[..., 0]
    smooth[..., :-1] += quarter[..., 1:]
    smooth[..., -1] += quarter[..., -1]
    return smooth
