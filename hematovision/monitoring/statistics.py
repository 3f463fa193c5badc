"""Two-sample statistics, each computed for many windows at once.

A window is a row of 0 and 1 over a pool of N images: 1 is in the window, 0 in the rest. The statistics take `windows`
as (B, N) float32 and give (B,) float64: how far each window lies from its rest. No row may be all 0 or all 1.
"""

import numpy as np
from numpy.typing import NDArray

Windows = NDArray[np.float32]
Values = NDArray[np.float64]


def kolmogorov_smirnov(values: Values, windows: Windows) -> Values:
    """Largest gap between the two distribution functions of `values` (N,), 0–1 (Kolmogorov 1933, Smirnov 1948)."""
    order = np.argsort(values, kind="stable")
    last_of_ties = np.append(np.diff(values[order]) > 0, True)
    inside = windows[:, order].cumsum(axis=1, dtype=np.float64)
    outside = np.arange(1, len(values) + 1) - inside
    gap = np.abs(inside / inside[:, -1:] - outside / outside[:, -1:])
    return np.asarray(gap[:, last_of_ties].max(axis=1))


def mean_difference(values: Values, windows: Windows) -> Values:
    """Mean of `values` (N,) in the window less the mean in the rest, in the unit of `values`."""
    means = _means(values[:, None], windows)
    return np.asarray(means[0][:, 0] - means[1][:, 0])


def mean_distance(points: Values, windows: Windows) -> Values:
    """Euclidean distance between the two means of `points` (N, K); on whitened points this is Hotelling's T (1931)."""
    inside, outside = _means(points, windows)
    return np.asarray(np.linalg.norm(inside - outside, axis=1))


def jensen_shannon(memberships: Values, windows: Windows) -> Values:
    """Jensen–Shannon distance (0–1, base 2; Lin 1991) between the class shares; `memberships` is (N, C) one-hot."""
    from scipy.spatial.distance import jensenshannon

    inside, outside = _means(memberships, windows)
    # Rounding can leave a divergence just below 0, whose root is not a number.
    return np.asarray(np.nan_to_num(jensenshannon(inside, outside, base=2, axis=1)))


def maximum_mean_discrepancy(kernel: NDArray[np.float32], windows: Windows) -> Values:
    """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) from the kernel matrix (N, N) of the pool.

    The kernel's diagonal must be 0. Around 0 when both parts come from one distribution, and may then be negative.
    """
    towards_pool = windows @ kernel
    within = (towards_pool * windows).sum(axis=1, dtype=np.float64)
    across = towards_pool.sum(axis=1, dtype=np.float64) - within
    rest = kernel.sum(dtype=np.float64) - within - 2 * across
    inside = windows.sum(axis=1, dtype=np.float64)
    outside = windows.shape[1] - inside
    return np.asarray(
        within / np.maximum(inside * (inside - 1), 1)
        + rest / np.maximum(outside * (outside - 1), 1)
        - 2 * across / (inside * outside)
    )


def gaussian_kernel(points: NDArray[np.float32], *, squared_bandwidth: float) -> NDArray[np.float32]:
    """exp(-|x - y|² / squared_bandwidth) for every pair of `points` (N, D), with 0 on the diagonal."""
    kernel: NDArray[np.float32] = np.exp(_squared_distances(points) / -squared_bandwidth)
    np.fill_diagonal(kernel, 0)
    return kernel


def median_squared_distance(points: NDArray[np.float32]) -> float:
    """The median heuristic for the kernel's bandwidth (Gretton et al. 2012, section 8); never 0."""
    distances = _squared_distances(points)[np.triu_indices(len(points), k=1)]
    return max(float(np.median(distances)), float(np.finfo(np.float32).eps))


def _squared_distances(points: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = (points * points).sum(axis=1)
    return np.asarray(np.maximum(norms[:, None] + norms[None, :] - 2 * points @ points.T, 0), dtype=np.float32)


def _means(points: Values, windows: Windows) -> tuple[Values, Values]:
    inside = windows.sum(axis=1, dtype=np.float64)[:, None]
    sums = windows @ points
    return sums / inside, (points.sum(axis=0) - sums) / (windows.shape[1] - inside)
