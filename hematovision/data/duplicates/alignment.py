"""Lay one picture on another and measure how much of their detail agrees."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from hematovision.data.duplicates.candidates import Hypothesis
from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.duplicates.signature import Array, Signature
from hematovision.data.duplicates.symmetry import without_round_shape

Matrix = npt.NDArray[np.float64]

_REFINING_BLUR = 5  # pixels of the filter OpenCV refines through, its default
_CLEAR_ALIGNMENT = 0.75  # coarse correlation that no other hypothesis need be tried against
_LEAST_LEFT = 0.15  # share of the detail that must not be round: below it ripples and noise decide


@dataclass(frozen=True)
class Agreement:
    """similarity: correlation of aligned detail less the round shape both may share, −1–1.
    evidence: standard errors by which it exceeds chance.
    matrix: 2×3, pixels of the first → pixels of the second."""

    similarity: float
    evidence: float
    matrix: Matrix


def align(
    first: Signature, second: Signature, hypotheses: list[Hypothesis], settings: DuplicateSettings
) -> Agreement | None:
    """The best alignment found, refined and compared; None where it clearly shows different pictures."""
    correlation, matrix = _coarse(_halved(first.detail), _halved(second.detail), hypotheses)
    if correlation < settings.min_alignment:
        return None
    return compare(first, second, _refined(first, second, matrix, settings.refine_iterations), settings)


def compare(first: Signature, second: Signature, matrix: Matrix, settings: DuplicateSettings) -> Agreement | None:
    """How well the two agree where they overlap under `matrix`; None where they overlap or agree too little."""
    detail = first.detail.astype(np.float32)
    height, width = detail.shape
    moved = _warp(second.detail.astype(np.float32), matrix, width, height)
    common = (_warp(second.valid.astype(np.float32), matrix, width, height) > 0.99) & first.valid
    count = int(common.sum())
    scale = max(1e-6, abs(float(np.linalg.det(matrix[:, :2]))))
    if count < settings.min_overlap * min(float(first.valid.sum()), float(second.valid.sum()) / scale):
        return None
    a, b = _standardised(detail, common), _standardised(moved, common)
    if float((a * b).sum()) < settings.rich_similarity * count:
        return None
    a, b = without_round_shape(a, b, common)
    if min(float((a * a).sum()), float((b * b).sum())) < _LEAST_LEFT * count:
        return None
    a, b = _standardised(a, common), _standardised(b, common)
    similarity = float(np.clip((a * b).sum() / count, -1, 1))
    independent = _independent_pixels(a, b, count)
    evidence = float(np.arctanh(min(similarity, 0.9999)) * np.sqrt(max(0.0, independent - 3)))
    return Agreement(similarity, evidence, matrix)


def _halved(detail: npt.NDArray[np.float16]) -> Array:
    """Half the size, where a coarse search loses nothing and costs a quarter."""
    import cv2

    full = detail.astype(np.float32)
    return np.asarray(cv2.resize(full, (full.shape[1] // 2, full.shape[0] // 2), interpolation=cv2.INTER_AREA))


def _coarse(first: Array, second: Array, hypotheses: list[Hypothesis]) -> tuple[float, Matrix]:
    """Best (correlation, full-size matrix) of two halved pictures over hypotheses, both half turns and every shift."""
    import scipy.fft

    height, width = first.shape
    size = scipy.fft.next_fast_len(max(height, width) * 3 // 2)
    reference = scipy.fft.rfft2(first, (size, size))
    norm = float(np.linalg.norm(first)) + 1e-6
    best, matrix = -1.0, np.eye(2, 3)
    for hypothesis, half_turn in product(hypotheses, (0.0, np.pi)):
        if best < _CLEAR_ALIGNMENT:
            guess = _matrix(hypothesis, half_turn, first.shape, second.shape, (0.0, 0.0))
            moved = _warp(second, guess, width, height)
            surface = scipy.fft.irfft2(reference * np.conj(scipy.fft.rfft2(moved, (size, size))), (size, size))
            peak = int(surface.argmax())
            correlation = float(surface.flat[peak]) / (norm * (float(np.linalg.norm(moved)) + 1e-6))
            if correlation > best:
                y, x = ((p + size // 2) % size - size // 2 for p in divmod(peak, size))
                best = correlation
                matrix = _matrix(hypothesis, half_turn, first.shape, second.shape, (float(x), float(y)))
    # half-size pixel x covers full-size pixels 2x and 2x + 1, so its centre lies at 2x + 0.5
    matrix[:, 2] = 2 * matrix[:, 2] + 0.5 - matrix[:, :2] @ np.full(2, 0.5)
    return best, matrix


def _matrix(
    hypothesis: Hypothesis,
    half_turn: float,
    first: tuple[int, ...],
    second: tuple[int, ...],
    shift: tuple[float, float],
) -> Matrix:
    """2×3 that takes a pixel of the first to one of the second, about their centres."""
    cosine, sine = np.cos(hypothesis.angle + half_turn), np.sin(hypothesis.angle + half_turn)
    linear = hypothesis.scale * np.array([[cosine, sine], [-sine, cosine]])
    if hypothesis.flipped:
        linear[0] *= -1
    from_centre = np.array([(first[1] - 1) / 2 + shift[0], (first[0] - 1) / 2 + shift[1]])
    to_centre = np.array([(second[1] - 1) / 2, (second[0] - 1) / 2])
    return np.hstack([linear, (to_centre - linear @ from_centre)[:, None]])


def _refined(first: Signature, second: Signature, matrix: Matrix, iterations: int) -> Matrix:
    """Affine refinement by enhanced correlation (Evangelidis & Psarakis, IEEE TPAMI 30(10), 2008)."""
    import cv2

    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, iterations, 1e-4)
    template, moving = first.detail.astype(np.float32), second.detail.astype(np.float32)
    mask = second.valid.astype(np.uint8)
    try:
        _, refined = cv2.findTransformECC(
            template, moving, matrix.astype(np.float32), cv2.MOTION_AFFINE, criteria, mask, _REFINING_BLUR
        )
    except cv2.error:  # it diverged: the pictures do not agree, and the coarse matrix will show it
        return matrix
    return np.asarray(refined, np.float64)


def _warp(image: Array, matrix: Matrix, width: int, height: int) -> Array:
    import cv2

    return np.asarray(cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))


def _standardised(image: Array, where: npt.NDArray[np.bool_]) -> Array:
    """Zero mean and unit variance inside `where`, 0 outside."""
    inside = image[where]
    return np.asarray(np.where(where, (image - inside.mean()) / (inside.std() + 1e-6), 0), np.float32)


def _independent_pixels(a: Array, b: Array, count: int) -> float:
    """Effective sample size of a correlation of two smooth fields (Bartlett's formula in two dimensions)."""
    import scipy.fft

    size = [scipy.fft.next_fast_len(n * 3 // 2) for n in a.shape]  # lags beyond half the picture carry nothing
    power = [np.abs(scipy.fft.rfft2(x, size)) ** 2 for x in (a, b)]
    lags = scipy.fft.irfft2(power[0], size) * scipy.fft.irfft2(power[1], size)
    return count / max(1.0, float(lags.sum()) / (count * count))
