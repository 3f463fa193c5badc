"""A heat map laid over its cell."""

import numpy as np
from numpy.typing import NDArray

STRENGTH = 0.65
"""Opacity where a map is 1; where it is 0 the cell shows unchanged."""


def overlay(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colour an H×W×3 uint8 RGB image by a map (h, w) in 0–1, enlarged to it; returns H×W×3 uint8.

    The colours are `inferno`, of even steps in lightness and safe for colour-blind readers; what the map leaves out
    stays as it is, so that the cell can still be read.
    """
    import cv2

    height, width = image.shape[:2]
    spread = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    coloured = cv2.applyColorMap((255 * spread).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    opacity = STRENGTH * spread[:, :, None]
    mixed: NDArray[np.uint8] = (image * (1 - opacity) + coloured * opacity + 0.5).astype(np.uint8)
    return mixed
