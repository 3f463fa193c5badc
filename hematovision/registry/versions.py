"""A registered version as it lies in the registry: its tags, its package, the documents of its run."""

import logging
import os
import pwd
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from hematovision.data.manifest import load_manifest
from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import Home
from hematovision.ledger import open_ledger

CHAMPION = "champion"
CHALLENGER = "challenger"
MANIFEST = "data/manifest.csv"


def requester() -> str:
    """Who runs this process, `user:<login>`, from the operating system: an environment variable cannot change it."""
    number = os.getuid()
    try:
        return f"user:{pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"user:uid-{number}"


def client_of(home: Home) -> Any:
    """An `MlflowClient` of the home's store, or the user's."""
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    return MlflowClient(home.tracking_uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI") or home.tracking_uri)


def use_store(home: Home) -> None:
    """Point this process's MLflow at a home's store; the environment, which MLflow would change, stays as it was."""
    import mlflow

    named = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(home.tracking_uri)
    if named is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)


def aliased(home: Home, name: str, alias: str) -> str | None:
    """The version of a model that an alias names, or None."""
    from mlflow.exceptions import MlflowException

    try:
        found: str | None = client_of(home).get_registered_model(name).aliases.get(alias)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return None if found is None else str(found)


def registered_at(home: Home, name: str, version: str) -> datetime:
    """When a version was registered, in UTC.

    Raises:
        UsageError: the registry has no such version.
    """
    from mlflow.exceptions import MlflowException

    try:
        found = client_of(home).get_model_version(name, version)
    except MlflowException as error:
        raise UsageError(f"models:/{name}/{version} is not in the registry at {home.tracking_uri}.") from error
    return datetime.fromtimestamp(found.creation_timestamp / 1000, UTC)


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a model in the registry; `tags` are its own, not those of its run."""

    home: Home
    name: str
    version: str
    run_id: str
    tags: Mapping[str, str]

    @property
    def label(self) -> str:
        """`NAME/VERSION`, as records and messages name it."""
        return f"{self.name}/{self.version}"

    @property
    def uri(self) -> str:
        """`models:/NAME/VERSION`."""
        return f"models:/{self.label}"

    def document(self, path: str) -> str | None:
        """The text of an artifact of the version's run, or None where the run has none of that path.

        Raises:
            HematoVisionError: the artifacts cannot be reached.
        """
        from mlflow.exceptions import MlflowException

        client = client_of(self.home)
        folder = str(Path(path).parent)
        try:
            listed = {item.path for item in client.list_artifacts(self.run_id, None if folder == "." else folder)}
            if path not in listed:
                return None
            with tempfile.TemporaryDirectory() as kept:
                return Path(client.download_artifacts(self.run_id, path, kept)).read_text(encoding="utf-8")
        except (MlflowException, OSError) as error:
            raise HematoVisionError(f"{path} of {self.uri} cannot be read: {error}") from error

    def manifest(self) -> pd.DataFrame | None:
        """The table of cells the version was made from, or None where its run holds none."""
        text = self.document(MANIFEST)
        if text is None:
            return None
        with tempfile.TemporaryDirectory() as kept:
            path = Path(kept) / "manifest.csv"
            path.write_text(text, encoding="utf-8", newline="")
            return load_manifest(path)


def find_version(home: Home, uri: str) -> RegisteredVersion:
    """The version that `models:/NAME/VERSION` or `models:/NAME@ALIAS` names.

    Raises:
        UsageError: the URI names no version of the registry.
    """
    from mlflow.exceptions import MlflowException

    kind, _, rest = uri.partition(":/")
    by_alias = "@" in rest
    name, _, which = rest.rpartition("@" if by_alias else "/")
    if kind != "models" or not name or not which:
        raise UsageError(f"{uri} names no registered version: give models:/NAME/VERSION or models:/NAME@ALIAS.")
    client = client_of(home)
    try:
        found = (client.get_model_version_by_alias if by_alias else client.get_model_version)(name, which)
    except MlflowException as error:
        raise UsageError(f"{uri} is not in the registry at {home.tracking_uri}: {error.message}") from error
    return RegisteredVersion(home, name, str(found.version), str(found.run_id), dict(found.tags))


def record_registration(version: RegisteredVersion, *, database: str | None) -> None:
    """Write the ledger's `registration` record of a version, once; a second call changes nothing.

    Args:
        database: the setting `records.database`.
    """
    named = ("model_digest", "data_version", "manifest_digest", "golden_digest", "git_commit", "zenml_run", "requester")
    content: dict[str, Any] = {
        "model": version.label,
        "mlflow_run": version.run_id,
        **{name: version.tags[name] for name in named if name in version.tags},
    }
    if "model_digest" in version.tags:
        content["artifacts"] = {"package": {"sha256": version.tags["model_digest"], "uri": version.uri}}
    open_ledger(version.home, database).append(
        "registration",
        f"model:{version.label}",
        content,
        actor=version.tags.get("requester", "system"),
        unique=f"registration:{version.label}",
    )
