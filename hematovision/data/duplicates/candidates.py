"""Which pairs are worth aligning: nearest descriptors first, then the correlation of log-polar spectra."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.duplicates.signature import Array, Signature, ring_invariants

Complex = npt.NDArray[np.complex64]
_BLOCK = 256


@dataclass(frozen=True)
class Hypothesis:
    """How a second picture may follow from a first: mirrored or not, turned (radians, half a turn open), scaled."""

    flipped: bool
    angle: float
    scale: float


def shortlist(signatures: Sequence[Signature], settings: DuplicateSettings, workers: int) -> npt.NDArray[np.int64]:
    """Pairs (first < second), each once and sorted, P×2: the nearest neighbours of every image by either descriptor."""
    described = (spectrum_variants(signatures, settings), anchor_variants(signatures))
    found = [_neighbours(variants, settings.shortlist, workers) for variants in described]
    pairs = np.sort(np.concatenate(found), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def spectrum_variants(signatures: Sequence[Signature], settings: DuplicateSettings) -> list[Array]:
    """Descriptors of the spectra, N×d each: as they are, and as they would be of the images zoomed step by step."""
    steps, rings = settings.scale_steps, settings.spectrum_rings
    spectra = np.stack([s.spectrum for s in signatures]).astype(np.float32)
    width = rings - 2 * steps
    windows = [spectra[:, steps + shift : steps + shift + width] for shift in range(steps + 1)]
    return [np.stack([_spectrum_descriptor(s, settings.angular_frequencies) for s in window]) for window in windows]


def anchor_variants(signatures: Sequence[Signature]) -> list[Array]:
    """Descriptors of the darkest bodies, N×d each: one for every relative radius."""
    anchors = np.stack([s.anchors for s in signatures]).astype(np.float32)
    return [anchors[:, k] for k in range(anchors.shape[1])]


def spectrum_transforms(signatures: Sequence[Signature], settings: DuplicateSettings) -> Complex:
    """Two-dimensional Fourier transform of every standardised spectrum, padded along the rings; N×padded×half."""
    import scipy.fft

    spectra = np.stack([s.spectrum for s in signatures]).astype(np.float32)
    spectra -= spectra.mean(axis=2, keepdims=True)
    spectra /= spectra.std(axis=(1, 2), keepdims=True) + 1e-6
    padded = (scipy.fft.next_fast_len(settings.spectrum_rings + settings.scale_steps), settings.spectrum_angles)
    return np.asarray(scipy.fft.rfft2(spectra, padded), np.complex64)


def spectrum_similarities(
    transforms: Complex, pairs: npt.NDArray[np.int64], settings: DuplicateSettings, workers: int
) -> npt.NDArray[np.float32]:
    """Largest correlation of two log-polar spectra over turns, zooms and mirroring, per pair, about 0–1."""

    def best(block: npt.NDArray[np.int64]) -> Array:
        found = _surfaces(transforms[block[:, 0]], transforms[block[:, 1]], settings)
        return np.asarray(found.max(axis=(0, 2, 3)), np.float32)

    blocks = [pairs[i : i + _BLOCK] for i in range(0, len(pairs), _BLOCK)]
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(best, blocks))
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def promising(
    pairs: npt.NDArray[np.int64], similarities: npt.NDArray[np.float32], settings: DuplicateSettings
) -> npt.NDArray[np.int64]:
    """Pairs to align: every one with clearly similar spectra, and of the doubtful ones the best few of each image.

    Without the cap a set of look-alikes (red cells) would have every neighbour aligned in vain.
    """
    keep = similarities >= settings.clear_spectrum_similarity
    order = np.argsort(-similarities, kind="stable")
    order = order[(similarities[order] >= settings.min_spectrum_similarity) & ~keep[order]]
    taken: Counter[int] = Counter()
    for index in order.tolist():
        first, second = pairs[index].tolist()
        if min(taken[first], taken[second]) < settings.doubtful_per_image:
            keep[index] = True
            taken[first] += 1
            taken[second] += 1
    return pairs[keep]


def pair_hypotheses(first: Complex, second: Complex, settings: DuplicateSettings) -> list[Hypothesis]:
    """The highest peaks of the correlation of two spectra, best first, located to a fraction of a bin."""
    surface = _surfaces(first[None], second[None], settings)[:, 0]
    angles, steps = settings.spectrum_angles, settings.scale_steps
    ratio = np.log(settings.spectrum_outer / settings.spectrum_inner) / (settings.spectrum_rings - 1)
    left = surface.copy()
    found = []
    for _ in range(settings.hypotheses):
        flip, step, turn = np.unravel_index(int(left.argmax()), left.shape)
        row, column = surface[flip, step], surface[flip, :, turn]
        fine_turn = turn + _vertex(row[turn - 1], row[turn], row[(turn + 1) % angles])
        inside = 0 < step < 2 * steps
        fine_step = step + (_vertex(column[step - 1], column[step], column[step + 1]) if inside else 0.0)
        found.append(Hypothesis(bool(flip), fine_turn * np.pi / angles, float(np.exp((fine_step - steps) * ratio))))
        around = np.arange(turn - 3, turn + 4) % angles
        left[flip, max(0, step - 1) : step + 2, around] = -np.inf
    return found


def _spectrum_descriptor(spectrum: Array, frequencies: int) -> Array:
    """The spectrum's radial profile and its rings without regard to turn or mirroring."""
    profile = spectrum.mean(axis=1)
    invariants = ring_invariants((spectrum - profile[:, None]).T, frequencies)
    return np.concatenate([profile - profile.mean(), invariants])


def _neighbours(variants: list[Array], count: int, workers: int) -> npt.NDArray[np.int64]:
    """Pairs (image, neighbour): the `count` largest cosines to variant 0 of any other image, over all variants.

    Variants are the same images at other scales; trying them on one side covers both, since either image asks.
    """
    centre, spread = variants[0].mean(axis=0), variants[0].std(axis=0) + 1e-3
    unit = [unit_rows((v - centre) / spread) for v in variants]
    total = len(unit[0])
    count = min(count + 1, total)

    def nearest(start: int) -> npt.NDArray[np.int64]:
        rows = np.arange(start, min(start + _BLOCK, total))
        similarity = unit[0][rows] @ unit[0].T
        for variant in unit[1:]:
            np.maximum(similarity, variant[rows] @ unit[0].T, out=similarity)
        near = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        return np.stack([np.repeat(rows, count), near.ravel()], axis=1)

    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(nearest, range(0, total, _BLOCK))))


def unit_rows(rows: Array) -> Array:
    """Rows scaled to length 1, so that products of them are cosines."""
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9), np.float32)


def _surfaces(first: Complex, second: Complex, settings: DuplicateSettings) -> Array:
    """Correlation surfaces, (as is, mirrored) × pairs × zooms × angles."""
    import scipy.fft

    rings, angles, steps = settings.spectrum_rings, settings.spectrum_angles, settings.scale_steps
    padded = first.shape[1]
    mirrored = np.conj(second[:, -np.arange(padded) % padded])
    product = np.stack([first * np.conj(second), first * np.conj(mirrored)])
    surface = scipy.fft.irfft2(product, (padded, angles))
    shifts = np.arange(-steps, steps + 1)
    return np.asarray(surface[:, :, shifts] / ((rings - np.abs(shifts)) * angles)[:, None], np.float32)


def _vertex(before: float, peak: float, after: float) -> float:
    """Offset of a parabola's top from its middle sample, within ±0.5."""
    bend = 2 * float(peak) - float(before) - float(after)
    return float(np.clip(0.5 * (float(after) - float(before)) / bend, -0.5, 0.5)) if bend > 1e-9 else 0.0
