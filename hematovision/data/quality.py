"""What a picture is like, in six numbers that need no model."""

from dataclasses import dataclass

import numpy as np

from hematovision.data.decoding import Pixels

SHARPNESS_SIDE = 128
"""Pixels of the longer side at which sharpness is measured; part of the measure's definition, as its unit is."""


@dataclass(frozen=True)
class QualityMeasures:
    """Measures of one image; luma is that of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B), 0–255."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    brightness: float
    """Mean luma, 0 (black) – 255 (white)."""
    contrast: float
    """Standard deviation of the luma, 0 – 127.5."""
    sharpness: float
    """Variance of the Laplacian of the luma at `SHARPNESS_SIDE` pixels, ≥ 0; low is blur (Pech-Pacheco, ICPR 2000)."""
    saturation: float
    """Mean saturation of HSV (Smith, SIGGRAPH 1978), 0 (grey) – 1 (pure colour)."""


def measure(image: Pixels) -> QualityMeasures:
    """Measure an H×W×3 RGB uint8 image.

    Sharpness is measured on a copy whose longer side has `SHARPNESS_SIDE` pixels, so that the same cell photographed
    at two sizes gets a similar figure; an enlarged small image has no fine detail and rightly scores low.
    """
    import cv2

    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    height, width = luma.shape
    scale = SHARPNESS_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = cv2.resize(luma, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return QualityMeasures(
        width=width,
        height=height,
        brightness=float(luma.mean()),
        contrast=float(luma.std()),
        sharpness=float(cv2.Laplacian(resized, cv2.CV_64F).var()),
        saturation=float(np.mean(hsv[:, :, 1])) / 255,
    )
