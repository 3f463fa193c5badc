"""Heat maps of kept predictions, drawn by the very model that gave them."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from hematovision.data.decoding import decode, encode_png
from hematovision.errors import HematoVisionError
from hematovision.evaluation.overlay import overlay
from hematovision.home import Home
from hematovision.learning.heatmaps import NoSpatialMap
from hematovision.registry.explanation import Explainer
from hematovision.registry.package import package_digest
from hematovision.registry.resolution import copy_package, resolve_version
from hematovision.serving.engine import ServedModel

logger = logging.getLogger(__name__)
_MODELS_KEPT = 2


class Explainers:
    """Models that say where they looked, the latest ones kept in memory; one drawing at a time."""

    def __init__(self, home: Home, current: Callable[[], ServedModel]) -> None:
        self._home = home
        self._current = current
        self._loaded: OrderedDict[str, Explainer] = OrderedDict()
        self._drawing = threading.Lock()

    def draw(self, reference: str, digest: str, picture: bytes, label: str) -> bytes:
        """A PNG of the picture with where the model looked for a class laid over it.

        Args:
            reference, digest: of the model that gave the prediction.

        Raises:
            NoSpatialMap: its backbone gives no heat maps.
            UsageError: the model is gone, or the label is no class of it.
            HematoVisionError: the model is no longer the one that gave the prediction.
        """
        with self._drawing:
            explainer = self._explainer(reference, digest)
            specification = explainer.specification
            image = decode(picture, max_pixels=specification.max_pixels, min_side=specification.min_side)
            return encode_png(overlay(image, explainer.explain([image], [label])[0]))

    def prepare(self) -> None:
        """Load what the first heat map would otherwise wait for, many seconds long."""
        current = self._current()
        try:
            with self._drawing:
                explainer = self._explainer(current.reference, current.digest)
                explainer.explain([np.zeros((8, 8, 3), np.uint8)], explainer.specification.classes[:1])
        except NoSpatialMap as error:
            logger.info("%s", error)
        except HematoVisionError as error:
            logger.error("there will be no heat maps: %s", error)

    def _explainer(self, reference: str, digest: str) -> Explainer:
        if digest not in self._loaded:
            self._loaded[digest] = self._load(reference, digest)
            while len(self._loaded) > _MODELS_KEPT:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(digest)
        return self._loaded[digest]

    def _load(self, reference: str, digest: str) -> Explainer:
        current = self._current()
        if current.digest == digest:
            return Explainer.load(current.package)
        with TemporaryDirectory(prefix="hematovision-model-") as folder:
            package = copy_package(self._home, resolve_version(self._home, f"models:/{reference}"), Path(folder))
            if package_digest(package) != digest:
                raise HematoVisionError(f"{reference} is no longer the model that gave this prediction.")
            return Explainer.load(package)
