"""The artifacts of an MLflow run: read from the disk where they lie there, else through MLflow."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from hematovision.errors import HematoVisionError


class Artifacts:
    """What lies under the artifact URI of one run; `tracking` is the URI of the store that named it."""

    def __init__(self, uri: str, *, tracking: str) -> None:
        self.uri, self.tracking = uri, tracking
        scheme = urlsplit(uri).scheme
        self._folder = None if scheme not in ("", "file") else Path(unquote(urlsplit(uri).path if scheme else uri))

    def present(self, paths: Iterable[str]) -> set[str]:
        """Those of some paths that there are.

        Raises:
            HematoVisionError: they cannot be listed.
        """
        if self._folder is not None:
            return {path for path in paths if (self._folder / path).exists()}
        return set(paths) & self._listed({str(PurePosixPath(path).parent) for path in paths})

    def _listed(self, folders: Iterable[str]) -> set[str]:
        from mlflow.exceptions import MlflowException

        try:
            store = self._store()
            return {
                entry.path for folder in folders for entry in store.list_artifacts(folder.removeprefix(".") or None)
            }
        except MlflowException as error:
            raise HematoVisionError(f"the artifacts at {self.uri} cannot be listed: {error.message}") from error

    def fetch(self, path: str, folder: Path) -> Path | None:
        """A file among them, or its copy in a folder where it lies elsewhere; None where there is none."""
        if self._folder is not None:
            return file if (file := self._folder / path).is_file() else None
        from mlflow.exceptions import MlflowException

        try:
            return Path(self._store().download_artifacts(path, str(folder)))
        except (MlflowException, OSError):
            return None

    def _store(self) -> Any:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(self.uri, tracking_uri=self.tracking)
