"""A registered model at work: encoded pictures in, calibrated probabilities out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hematovision.data.decoding import Pixels, decode
from hematovision.data.quality import measure
from hematovision.errors import UnreadableImage
from hematovision.evaluation.calibration import softmax
from hematovision.learning.inference import Network, compile_for
from hematovision.learning.preprocessing import resize
from hematovision.learning.settings import Runtime
from hematovision.monitoring.strangeness import Familiar
from hematovision.progress import Progress
from hematovision.registry.package import FAMILIAR, NETWORK, ModelSpecification, verify_package

_NO_STATISTICS = pd.DataFrame()


@dataclass(frozen=True)
class Answers:
    """Answers for the readable pictures of a batch, in their order.

    Attributes:
        positions: (N,) places in the batch that could be read.
        logits: (N, C) float32. probabilities: (N, C) float64, rows sum to 1.
        embedding: (N, E) float32, from the frozen blocks.
        sets: (N, C) True where a class cannot be excluded. uncompleted: the same before empty sets are completed.
        strangeness: (N,) float64 ≥ 0; above 1 a picture is unlike anything the model was trained on.
        statistics: N rows of picture measures (brightness, contrast, sharpness, saturation, …).
        errors: reason by position, for pictures that could not be read.
    """

    positions: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    embedding: np.ndarray
    sets: np.ndarray
    uncompleted: np.ndarray
    strangeness: np.ndarray
    statistics: pd.DataFrame
    errors: dict[int, str]

    @property
    def unlike_training(self) -> np.ndarray:
        """(N,) True where a picture is unlike anything the model was trained on."""
        return np.asarray(self.strangeness > 1)

    def only(self, row: int) -> "Answers":
        """The answer to one picture, without statistics."""
        part = slice(row, row + 1)
        return Answers(
            positions=np.zeros(1, dtype=int),
            logits=self.logits[part],
            probabilities=self.probabilities[part],
            embedding=self.embedding[part],
            sets=self.sets[part],
            uncompleted=self.uncompleted[part],
            strangeness=self.strangeness[part],
            statistics=_NO_STATISTICS,
            errors={},
        )


class Predictor:
    """A verified model compiled for this machine's CPU in single precision."""

    def __init__(self, specification: ModelSpecification, network: Network, familiar: Familiar) -> None:
        self.specification = specification
        self._network = network
        self._familiar = familiar

    @classmethod
    def load(cls, folder: Path, *, runtime: Runtime = "openvino", threads: int | None = None) -> "Predictor":
        """Verify and compile a model package.

        Args:
            threads: cores that its network may keep busy, see `compile_for`.

        Raises:
            UsageError, HematoVisionError: see `verify_package`; or the runtime is not installed.
        """
        specification = verify_package(folder)
        network = compile_for(
            runtime,
            folder / NETWORK,
            mean=specification.mean,
            deviation=specification.deviation,
            threads=threads,
        )
        return cls(specification, network, Familiar.load(folder / FAMILIAR))

    def pixels(self, data: bytes, *, max_pixels: int | None = None) -> tuple[Pixels, int]:
        """An encoded picture as the network takes it, S×S×3 uint8, and how many pixels it had before.

        Args:
            max_pixels: a limit besides the model's own.

        Raises:
            UnreadableImage: see `decode`.
        """
        spec = self.specification
        limit = spec.max_pixels if max_pixels is None else min(spec.max_pixels, max_pixels)
        image = decode(data, max_pixels=limit, min_side=spec.min_side)
        return resize(image, spec.image_size), image.shape[0] * image.shape[1]

    def answer_pixels(self, pixels: Pixels) -> Answers:
        """Answers to pictures (N, S, S, 3), N ≥ 1, as `pixels` gives them; without statistics."""
        logits, embedding = self._through(pixels)
        return self._judged(np.arange(len(pixels)), logits, embedding, _NO_STATISTICS, {})

    def _through(self, pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
        logits, embedding = self._network(pixels)
        return logits, embedding

    def _read(
        self, pictures: Sequence[Callable[[], bytes]]
    ) -> tuple[list[int], np.ndarray, list[dict[str, Any]], dict[int, str]]:
        spec = self.specification
        positions, pixels, measures = [], [], []
        errors: dict[int, str] = {}
        for position, load in enumerate(pictures):
            try:
                image = decode(load(), max_pixels=spec.max_pixels, min_side=spec.min_side)
            except UnreadableImage as error:
                errors[position] = str(error)
                continue
            positions.append(position)
            pixels.append(resize(image, spec.image_size))
            measures.append(vars(measure(image)))
        stacked = np.stack(pixels) if pixels else np.empty((0, spec.image_size, spec.image_size, 3), np.uint8)
        return positions, stacked, measures, errors

    def answer(
        self, pictures: Sequence[Callable[[], bytes]], *, batch_size: int = 32, progress: Progress | None = None
    ) -> Answers:
        """Answer pictures given as functions that yield their encoded bytes; an unreadable one becomes an error."""
        positions: list[int] = []
        logits, embedding, measures = [], [], []
        errors: dict[int, str] = {}
        for start in range(0, len(pictures), batch_size):
            found, pixels, measured, failed = self._read(pictures[start : start + batch_size])
            positions += [start + position for position in found]
            errors |= {start + position: reason for position, reason in failed.items()}
            measures += measured
            if len(pixels):
                found_logits, found_embedding = self._through(pixels)
                logits.append(found_logits)
                embedding.append(found_embedding)
            if progress:
                progress(min(start + batch_size, len(pictures)), len(pictures))
        return self._judged(
            np.array(positions, dtype=int),
            np.concatenate(logits) if logits else np.empty((0, len(self.specification.classes)), np.float32),
            np.concatenate(embedding) if embedding else np.empty((0, len(self._familiar.mean)), np.float32),
            pd.DataFrame(measures),
            errors,
        )

    def _judged(
        self,
        positions: np.ndarray,
        logits: np.ndarray,
        embedding: np.ndarray,
        statistics: pd.DataFrame,
        errors: dict[int, str],
    ) -> Answers:
        specification = self.specification
        probabilities = softmax(logits.astype(np.float64), specification.temperature)
        return Answers(
            positions=positions,
            logits=logits,
            probabilities=probabilities,
            sets=specification.sets.sets(probabilities),
            uncompleted=specification.sets.uncompleted(probabilities),
            embedding=embedding,
            strangeness=self._familiar.distances(embedding) / specification.familiar.distance,
            statistics=statistics,
            errors=errors,
        )
