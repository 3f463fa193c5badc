"""From decoded pixels to what a network takes in; the same code in training and in a registered model."""

from collections.abc import Sequence

import cv2
import numpy as np


def resize(image: np.ndarray, side: int) -> np.ndarray:
    """H×W×3 uint8 → side×side×3 uint8; area averaging when shrinking, bilinear when enlarging."""
    if image.shape[:2] == (side, side):
        return image
    shrinking = image.shape[0] * image.shape[1] > side * side
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)


def turn(image: np.ndarray, number: int, orientations: int) -> np.ndarray:
    """S×S×3 as it lies in one of its orientations; number 0 is the picture itself. No pixel is interpolated."""
    return np.ascontiguousarray(np.rot90(image, number * 4 // orientations))


def normalise(images: np.ndarray, mean: Sequence[float], deviation: Sequence[float]) -> np.ndarray:
    """N×S×S×3 uint8 → N×3×S×S float32 with the backbone's own mean and standard deviation (pixels in 0–1)."""
    scale = 1 / (255 * np.asarray(deviation, dtype=np.float32))
    offset = np.asarray(mean, dtype=np.float32) / np.asarray(deviation, dtype=np.float32)
    return np.ascontiguousarray((images * scale - offset).transpose(0, 3, 1, 2))


def choose_side(widths: np.ndarray, heights: np.ndarray, *, smallest: int, largest: int) -> int:
    """The multiple of 32 px nearest above the median longer side of the cells, kept within bounds."""
    median = float(np.median(np.maximum(widths, heights)))
    return int(np.clip(np.ceil(median / 32) * 32, smallest, largest))
