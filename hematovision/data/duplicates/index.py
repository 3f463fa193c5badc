"""Known images prepared once, so that one new image at a time can be held against all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hematovision.data.duplicates.alignment import align
from hematovision.data.duplicates.candidates import (
    Complex,
    anchor_variants,
    pair_hypotheses,
    spectrum_similarities,
    spectrum_transforms,
    spectrum_variants,
    unit_rows,
)
from hematovision.data.duplicates.search import describe, is_copy
from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.duplicates.signature import Array, Signature


@dataclass(frozen=True)
class Copy:
    """Position of a known image that shows the same cell, how well they agree (0–1), and how the new one differs."""

    position: int
    similarity: float
    transform: str


class _Neighbourhood:
    """Descriptors of the known images in every variant, standardised by those of the known images as they are."""

    def __init__(self, variants: Sequence[Array]) -> None:
        self._centre = variants[0].mean(axis=0)
        self._spread = variants[0].std(axis=0) + 1e-3
        self._known = [self._unit(variant) for variant in variants]

    def nearest(self, variants: Sequence[Array], count: int) -> npt.NDArray[np.int64]:
        """The known images with the largest cosine to a new one (1×d a variant), in any variant of either."""
        new = [self._unit(variant)[0] for variant in variants]
        similarity = np.max([known @ new[0] for known in self._known], axis=0)
        for variant in new[1:]:
            np.maximum(similarity, self._known[0] @ variant, out=similarity)
        count = min(count, len(similarity))
        return np.asarray(np.argpartition(-similarity, count - 1)[:count], np.int64)

    def _unit(self, variant: Array) -> Array:
        return unit_rows((variant - self._centre) / self._spread)


class DuplicateIndex:
    """Finds the copies of one image among N known ones as `find_duplicates` would; safe for any number of threads."""

    def __init__(self, signatures: Sequence[Signature], settings: DuplicateSettings) -> None:
        self._signatures = list(signatures)
        self._settings = settings
        if self._signatures:
            self._spectra = _Neighbourhood(spectrum_variants(signatures, settings))
            self._anchors = _Neighbourhood(anchor_variants(signatures))
            self._transforms = spectrum_transforms(signatures, settings)

    def __len__(self) -> int:
        return len(self._signatures)

    def first_copy(self, image: Signature) -> Copy | None:
        """A known image that shows the same cell, the likeliest first, or None."""
        if not self._signatures:
            return None
        transform = spectrum_transforms([image], self._settings)
        for position in self._promising(image, transform):
            hypotheses = pair_hypotheses(self._transforms[position], transform[0], self._settings)
            found = align(self._signatures[position], image, hypotheses, self._settings)
            if found is not None and is_copy(found, self._settings):
                words = describe(found.matrix, self._settings.working_size)
                return Copy(position, round(found.similarity, 4), words)
        return None

    def _promising(self, image: Signature, transform: Complex) -> list[int]:
        """Positions to align, the most similar spectrum first: all that are clearly similar, and the best doubtful."""
        settings = self._settings
        near = np.union1d(
            self._spectra.nearest(spectrum_variants([image], settings), settings.shortlist),
            self._anchors.nearest(anchor_variants([image]), settings.shortlist),
        )
        pairs = np.stack([np.arange(len(near)), np.full(len(near), len(near))], axis=1)
        both = np.concatenate([self._transforms[near], transform])
        similarity = spectrum_similarities(both, pairs, settings, workers=1)
        order = np.argsort(-similarity, kind="stable")
        clear = int((similarity >= settings.clear_spectrum_similarity).sum())
        doubtful = int((similarity >= settings.min_spectrum_similarity).sum())
        return [int(near[place]) for place in order[: min(doubtful, clear + settings.doubtful_per_image)]]
