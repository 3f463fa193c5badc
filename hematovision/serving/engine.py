"""The model at work: verified before it answers, replaced without a pause, kept when its successor is bad."""

import logging
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from hematovision.errors import HematoVisionError
from hematovision.home import Home
from hematovision.learning.settings import Runtime
from hematovision.registry.package import ModelSpecification, package_digest
from hematovision.registry.predictor import Predictor
from hematovision.registry.resolution import KnownVersion, copy_package
from hematovision.serving.metrics import Metrics

logger = logging.getLogger(__name__)
Part = Literal["model", "shadow"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class ServedModel:
    """A verified model, compiled and warm. Whoever holds it may use it to the end, whatever is served by then.

    Attributes:
        folder: the private copy of its package; gone when nobody holds the model any more.
    """

    version: KnownVersion
    digest: str
    predictor: Predictor
    folder: "tempfile.TemporaryDirectory[str]" = field(repr=False)
    since: str = field(default_factory=_now)

    @property
    def reference(self) -> str:
        """NAME/VERSION."""
        return self.version.reference

    @property
    def specification(self) -> ModelSpecification:
        """What the network needs, and where it came from."""
        return self.predictor.specification

    @property
    def package(self) -> Path:
        """The private copy of the package."""
        return Path(self.folder.name) / "package"


@dataclass(frozen=True)
class Trouble:
    """Why a model that was asked for does not serve, and since when."""

    asked: str
    reason: str
    since: str


def load_served(home: Home, version: KnownVersion, runtime: Runtime, threads: int) -> ServedModel:
    """Copy, verify, compile and try a model.

    Raises:
        HematoVisionError, UsageError: it is not the registered one, damaged, or cannot be read by this version; or the
            runtime is not installed.
    """
    folder = tempfile.TemporaryDirectory(prefix="hematovision-model-")
    try:
        package = copy_package(home, version, Path(folder.name))
        predictor = Predictor.load(package, runtime=runtime, threads=threads)
    except HematoVisionError as error:  # the copy's place means nothing to anybody, and is another every time
        raise type(error)(str(error).replace(folder.name, version.reference)) from error
    side = predictor.specification.image_size
    answers = predictor.answer_pixels(np.zeros((1, side, side, 3), np.uint8))
    if not np.isfinite(answers.logits).all() or answers.logits.shape[1] != len(predictor.specification.classes):
        raise HematoVisionError(f"{version.reference} gives no usable answer to a black picture. It is not served.")
    return ServedModel(version, package_digest(package), predictor, folder)


class Engine:
    """What is served now, and what runs in its shadow; `refresh` looks whether either has to be replaced.

    Args:
        resolve: says which version a URI stands for now.
        uri: what is served. shadow: what answers unseen, if anything.
        threads: cores that the network may keep busy.
    """

    def __init__(
        self,
        home: Home,
        uri: str,
        *,
        resolve: Callable[[str], KnownVersion],
        shadow: str | None,
        runtime: Runtime,
        threads: int,
        metrics: Metrics,
    ) -> None:
        self._home = home
        self._resolve = resolve
        self._runtime = runtime
        self._threads = threads
        self._uris: dict[Part, str] = {"model": uri}
        if shadow:
            self._uris["shadow"] = shadow
        self._metrics = metrics
        self._served: dict[Part, ServedModel] = {}
        self._trouble: dict[Part, Trouble] = {}
        self._refreshing = threading.Lock()

    def start(self) -> None:
        """Load what is asked for; raises as `load_served` and `Resolver` do, and nothing is served then."""
        for part in self._uris:
            self._install(part, self._load(self._resolve(self._uris[part])))

    @property
    def current(self) -> ServedModel:
        """The model that answers. HematoVisionError before `start`."""
        if "model" not in self._served:
            raise HematoVisionError("No model is loaded.")
        return self._served["model"]

    @property
    def shadow(self) -> ServedModel | None:
        """The model that answers unseen, if it is another than the one that answers."""
        found = self._served.get("shadow")
        return None if found is None or found.digest == self.current.digest else found

    @property
    def trouble(self) -> dict[Part, Trouble]:
        """What is refused at the moment."""
        return dict(self._trouble)

    def refresh(self) -> None:
        """Look at the registry once; a successor serves from the next request on, a bad one is refused, loudly."""
        with self._refreshing:
            for part, uri in self._uris.items():
                try:
                    self._follow(part, uri)
                except Exception as error:  # whatever a registry or a model trips over, what serves goes on serving
                    self._refuse(part, uri, str(error) or type(error).__name__)

    def _follow(self, part: Part, uri: str) -> None:
        version = self._resolve(uri)
        served = self._served.get(part)
        if served is None or (served.version.reference, served.digest) != (
            version.reference,
            version.digest or served.digest,
        ):
            self._install(part, self._load(version))
        elif part in self._trouble:
            logger.warning("%s is what %s asks for again; the trouble is over", served.reference, uri)
            self._settle(part)

    def _load(self, version: KnownVersion) -> ServedModel:
        return load_served(self._home, version, self._runtime, self._threads)

    def _install(self, part: Part, served: ServedModel) -> None:
        before = self._served.get(part)
        self._served[part] = served
        if before is not None:
            self._metrics.model.remove(before.reference, before.digest)
        for known, number in (("shadow", 2), ("model", 1)):
            if model := self._served.get(known):  # type: ignore[call-overload]
                self._metrics.model.labels(model.reference, model.digest).set(number)
        self._metrics.reloads.labels(part, "served").inc()
        self._settle(part)
        logger.info("%s: serving %s, digest %s, on %s", part, served.reference, served.digest[:12], self._runtime)

    def _settle(self, part: Part) -> None:
        self._trouble.pop(part, None)
        self._metrics.refused.labels(part).set(0)

    def _refuse(self, part: Part, uri: str, reason: str) -> None:
        known = self._trouble.get(part)
        if known is None or known.reason != reason:
            self._trouble[part] = Trouble(uri, reason, _now())
            self._metrics.reloads.labels(part, "refused").inc()
            going_on = self._served[part].reference if part in self._served else "nothing"
            logger.error("%s: %s REFUSED, %s goes on serving: %s", part, uri, going_on, reason)
        self._metrics.refused.labels(part).set(1)
