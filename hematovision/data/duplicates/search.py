"""Find the pairs of images that show the same cell, and the clusters they form."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from hematovision.data.duplicates.alignment import Agreement, Matrix, align
from hematovision.data.duplicates.candidates import (
    pair_hypotheses,
    promising,
    shortlist,
    spectrum_similarities,
    spectrum_transforms,
)
from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.duplicates.signature import Signature
from hematovision.progress import Progress


@dataclass(frozen=True, order=True)
class DuplicatePair:
    """Positions of two images of one cell (first < second), how well their detail agrees (0–1), and how they differ."""

    first: int
    second: int
    similarity: float
    transform: str


def find_duplicates(
    signatures: Sequence[Signature],
    settings: DuplicateSettings,
    *,
    workers: int,
    progress: Progress | None = None,
) -> list[DuplicatePair]:
    """Pairs of images that are copies of one another, sorted; the same list for any number of workers."""
    if len(signatures) < 2:
        return []
    pairs = shortlist(signatures, settings, workers)
    transforms = spectrum_transforms(signatures, settings)
    pairs = promising(pairs, spectrum_similarities(transforms, pairs, settings, workers), settings)

    def verify(pair: tuple[int, int]) -> DuplicatePair | None:
        first, second = pair
        hypotheses = pair_hypotheses(transforms[first], transforms[second], settings)
        found = align(signatures[first], signatures[second], hypotheses, settings)
        if found is None or not is_copy(found, settings):
            return None
        return DuplicatePair(first, second, round(found.similarity, 4), describe(found.matrix, settings.working_size))

    found = []
    with ThreadPoolExecutor(workers) as pool:
        for done, pair in enumerate(pool.map(verify, map(tuple, pairs.tolist())), start=1):
            if pair is not None:
                found.append(pair)
            if progress is not None:
                progress(done, len(pairs))
    return sorted(found)


def cluster_duplicates(count: int, pairs: Sequence[DuplicatePair]) -> list[int]:
    """Cluster number of each of `count` images, numbered by first appearance: connected components of the pairs."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array([(p.first, p.second) for p in pairs], np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    order: dict[int, int] = {}
    return [order.setdefault(int(label), len(order)) for label in labels]


def describe(matrix: Matrix, side: int) -> str:
    """In words, how the second picture follows from the first: 'flipped, rotated 37°, zoomed 1.12, shifted 8 %'.

    Flipped is left to right, before any turn; turns are counter-clockwise.
    """
    linear = matrix[:, :2]
    flipped = np.linalg.det(linear) < 0
    if flipped:
        linear = linear @ np.diag([-1, 1])
    angle = float(np.degrees(np.arctan2(linear[0, 1] - linear[1, 0], linear[0, 0] + linear[1, 1])))
    zoom = float(np.sqrt(abs(np.linalg.det(linear))))
    centre = np.full(2, (side - 1) / 2)
    shift = 100 * float(np.linalg.norm(matrix @ [*centre, 1] - centre)) / side
    words = ["flipped"] if flipped else []
    words += [f"rotated {round(angle) % 360}°"] if round(angle) % 360 else []
    words += [f"zoomed {zoom:.2f}"] if abs(zoom - 1) >= 0.02 else []
    words += [f"shifted {shift:.0f} %"] if shift >= 2 else []
    return ", ".join(words) or "same view"


def is_copy(found: Agreement, settings: DuplicateSettings) -> bool:
    """Whether two pictures agree so well, in so much detail, that they show the same cell."""
    close = found.similarity >= settings.min_similarity and found.evidence >= settings.min_evidence
    rich = found.similarity >= settings.rich_similarity and found.evidence >= settings.rich_evidence
    return close or rich
