"""What is kept of one image so that copies of it can be found: its detail, its spectrum and its darkest body."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hematovision.data.duplicates.settings import DuplicateSettings

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Signature:
    """About 30 kB per image at the proposed settings, plain numpy.

    detail: h×w float16, contrast-normalised grey, near unit variance; h·w ≈ working_size².
    valid: h×w bool, False where a rotation or shift left a flat fill.
    spectrum: rings × angles float16, log magnitude spectrum in log-polar coordinates over half a turn.
    anchors: scales × descriptor float16, rotation- and flip-invariant rings around the darkest body.
    """

    detail: npt.NDArray[np.float16]
    valid: npt.NDArray[np.bool_]
    spectrum: npt.NDArray[np.float16]
    anchors: npt.NDArray[np.float16]


def signature(image: npt.NDArray[np.uint8], settings: DuplicateSettings) -> Signature:
    """Describe an H×W×3 uint8 RGB image. Pure, releases the GIL in its heavy parts: call it from threads.

    Raises ValueError for another shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"expected H×W×3 uint8, got {image.shape} {image.dtype}")
    grey, valid = _normalised_grey(image, settings)
    detail = _detail(grey, valid, settings)
    return Signature(
        detail=detail.astype(np.float16),
        valid=valid,
        spectrum=_log_polar_spectrum(detail, settings).astype(np.float16),
        anchors=_anchor_descriptors(grey, detail, valid, settings).astype(np.float16),
    )


def ring_invariants(polar: Array, frequencies: int) -> Array:
    """Describe a polar image (angles × rings) so that turning or mirroring it changes nothing; 1-d float32.

    Per ring the Fourier magnitudes, and between neighbouring rings the part of their phase difference that a
    mirror image keeps.
    """
    fourier = np.fft.rfft(polar, axis=0)[:frequencies] / np.sqrt(polar.shape[0])
    cross = fourier[:, 1:] * np.conj(fourier[:, :-1])
    relative = cross.real / np.sqrt(np.abs(cross) + 1e-6)
    return np.concatenate([np.abs(fourier).ravel(), relative.ravel()]).astype(np.float32)


def _normalised_grey(image: npt.NDArray[np.uint8], settings: DuplicateSettings) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Grey at the working size and its valid pixels; a picture turned on an enlarged canvas gets its old scale back."""
    grey = _resized_grey(image, settings.working_size)
    valid, enlarged = _valid_pixels(grey, settings.fill_tolerance)
    if enlarged:
        grey = _resized_grey(image, settings.working_size / float(np.sqrt(valid.mean())))
        valid, _ = _valid_pixels(grey, settings.fill_tolerance)
    return grey, valid


def _resized_grey(image: npt.NDArray[np.uint8], side: float) -> Array:
    """HSL lightness, which a change of hue, saturation order or channel order leaves nearly alone."""
    import cv2

    height, width = image.shape[:2]
    factor = side / float(np.sqrt(height * width))
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    red, green, blue = cv2.split(small)
    brightest, darkest = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    return np.asarray((brightest.astype(np.float32) + darkest) / 2, np.float32)


def _valid_pixels(grey: Array, tolerance: int) -> tuple[npt.NDArray[np.bool_], bool]:
    """Pixels that are picture, not the fill of a rotation or shift, and whether they form a turned rectangle.

    A fill is flat, touches a corner and leaves a convex picture; plain background leaves ragged cells.
    """
    import cv2

    levels = np.asarray(cv2.medianBlur(np.clip(grey, 0, 255).astype(np.uint8), 3), np.uint8)
    height, width = levels.shape
    corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
    best, enlarged, smallest = np.ones((height, width), bool), False, 0.99
    for level in {int(levels[y, x]) for x, y in corners}:
        seeds = [(x, y) for x, y in corners if abs(int(levels[y, x]) - level) <= tolerance]
        picture, strict = _without_flood(levels, seeds, tolerance), 0.95
        if level <= 24 or level >= 252:  # no ground: forgive what re-encoding does to a fill
            picture, strict = _largest_body(picture), 0.92
        share = float(picture.mean())
        if not 0.4 <= share <= smallest:
            continue
        hull = cv2.convexHull(cv2.findNonZero(picture))
        if picture.sum() < strict * cv2.fillConvexPoly(np.zeros_like(picture), hull, 1).sum():
            continue
        box_width, box_height = cv2.minAreaRect(hull)[1]
        enlarged = share < 0.92 and picture.sum() > strict * (box_width + 1) * (box_height + 1)
        inner = cv2.erode(picture, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
        best, smallest = inner.astype(bool), share
    return best, enlarged


def _without_flood(
    levels: npt.NDArray[np.uint8], seeds: list[tuple[int, int]], tolerance: int
) -> npt.NDArray[np.uint8]:
    """1 where flooding from the seeds does not reach."""
    import cv2

    height, width = levels.shape
    flooded = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (1 << 8)
    for x, y in seeds:
        if not flooded[y + 1, x + 1]:
            cv2.floodFill(levels, flooded, (x, y), 0, tolerance, tolerance, flags)
    return np.ascontiguousarray(1 - flooded[1:-1, 1:-1])


def _largest_body(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The picture without specks and threads; 0 everywhere where nothing else is left."""
    import cv2

    square = np.ones((3, 3), np.uint8)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(cv2.erode(picture, square))
    if len(statistics) < 2:
        return np.zeros_like(picture)
    largest = 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax())
    return np.asarray(cv2.dilate((labels == largest).astype(np.uint8), square), np.uint8)


def _detail(grey: Array, valid: npt.NDArray[np.bool_], settings: DuplicateSettings) -> Array:
    """Band-passed grey divided by its local contrast, 0 where not valid; lighting, stain and fills drop out."""
    mask = valid.astype(np.float32)
    wide, narrow = settings.contrast_sigma, settings.smoothing_sigma
    wide_weight = _blur(mask, wide) + 1e-3
    band = (_blur(grey * mask, narrow) / (_blur(mask, narrow) + 1e-3) - _blur(grey * mask, wide) / wide_weight) * mask
    contrast = np.sqrt(_blur(band * band, wide) / wide_weight)
    typical = float(np.median(contrast[valid]))
    return np.asarray(band / (contrast + typical + settings.contrast_floor), np.float32)


def _blur(image: Array, sigma: float) -> Array:
    import cv2

    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def _log_polar_spectrum(detail: Array, settings: DuplicateSettings) -> Array:
    """Log magnitude spectrum, rings × angles: a shift drops out, a turn or zoom becomes a shift (Fourier–Mellin).

    Reddy & Chatterji, "An FFT-based technique for translation, rotation, and scale-invariant image registration",
    IEEE Transactions on Image Processing 5(8), 1996.
    """
    import cv2
    import scipy.fft

    height, width = detail.shape
    side = scipy.fft.next_fast_len(max(height, width) * 4 // 3)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = np.hypot((y - (height - 1) / 2) / (height / 2), (x - (width - 1) / 2) / (width / 2))
    window = np.cos(np.clip(radius, 0, 1) * np.pi / 2)
    transform = np.fft.fftshift(scipy.fft.fft2(detail * window, (side, side)))
    magnitude = np.log1p(np.abs(transform)).astype(np.float32)
    scale = side / settings.working_size  # cycles per side of the working square → bins
    rings = np.geomspace(settings.spectrum_inner, settings.spectrum_outer, settings.spectrum_rings) * scale
    angles = np.arange(settings.spectrum_angles) * np.pi / settings.spectrum_angles
    centre = side // 2
    map_x = (centre + rings[:, None] * np.cos(angles)).astype(np.float32)
    map_y = (centre + rings[:, None] * np.sin(angles)).astype(np.float32)
    return np.asarray(cv2.remap(magnitude, map_x, map_y, cv2.INTER_LINEAR), np.float32)


def _anchor_descriptors(grey: Array, detail: Array, valid: npt.NDArray[np.bool_], settings: DuplicateSettings) -> Array:
    """Ring descriptors around the darkest body, one row per relative radius."""
    import cv2

    x, y = _darkest_body(grey, valid, settings.anchor_spread)
    rings = settings.anchor_rings
    weight = np.sqrt(np.arange(rings, dtype=np.float32) + 0.5)
    rows = []
    for scale in settings.anchor_scales:
        radius = settings.anchor_radius * settings.working_size * scale
        flags = cv2.WARP_POLAR_LINEAR | cv2.WARP_FILL_OUTLIERS
        polar = cv2.warpPolar(detail, (rings, settings.spectrum_angles), (x, y), radius, flags)
        rows.append(ring_invariants(np.asarray(polar, np.float32) * weight, settings.angular_frequencies))
    return np.stack(rows)


def _darkest_body(grey: Array, valid: npt.NDArray[np.bool_], spread: float) -> tuple[float, float]:
    """Mean shift from the centre to the middle (x, y) of what is darkest, the stained nucleus; on every other pixel."""
    grey, valid = grey[::2, ::2], valid[::2, ::2]
    height, width = grey.shape
    dark, bright = np.percentile(grey[valid], (1, 70))
    weight = np.clip(bright - 0.4 * (bright - dark) - grey, 0, None) * valid
    y, x = np.mgrid[:height, :width].astype(np.float32)
    sigma = spread * float(np.sqrt(height * width))
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    for _ in range(10):
        near = weight * np.exp(-((x - centre_x) ** 2 + (y - centre_y) ** 2) / (2 * sigma * sigma))
        total = float(near.sum())
        if total < 1e-6:
            break
        centre_x, centre_y = float((near * x).sum()) / total, float((near * y).sum()) / total
    return 2 * centre_x, 2 * centre_y
