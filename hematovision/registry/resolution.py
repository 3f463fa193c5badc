"""Which registered version a name stands for now, and a private, verified copy of its package."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import Home
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.package import package_digest
from hematovision.registry.versions import client_of


@dataclass(frozen=True)
class KnownVersion:
    """A model as somebody named it, resolved.

    Attributes:
        name, version: of the registry; for a folder, `folder` and the first digits of its digest.
        digest: of the package, as it was recorded at registration; None for a folder, which has no such record.
        uri: where it is fetched from; of a version, never of an alias, which may move meanwhile.
    """

    name: str
    version: str
    digest: str | None
    uri: str

    @property
    def reference(self) -> str:
        """NAME/VERSION."""
        return f"{self.name}/{self.version}"


def resolve_version(home: Home, uri: str) -> KnownVersion:
    """What `models:/NAME@ALIAS`, `models:/NAME/VERSION` or the folder of a logged model stands for now.

    Raises:
        UsageError: there is no such version, alias or folder.
        HematoVisionError: the version was registered without the digest of its package.
    """
    if urlparse(uri).scheme != "models":
        package = fetch_model(home, uri) / "artifacts" / "package"
        digest = package_digest(package) if (package / "digests.json").is_file() else "unknown"
        return KnownVersion("folder", digest[:12], None, uri)
    from mlflow.exceptions import MlflowException

    logging.getLogger("alembic").setLevel(logging.ERROR)
    client = client_of(home)
    path = urlparse(uri).path.strip("/")
    try:
        if "@" in path:
            name, _, alias = path.partition("@")
            found = client.get_model_version_by_alias(name, alias)
        else:
            name, _, version = path.partition("/")
            found = client.get_model_version(name, version)
    except MlflowException as error:
        raise UsageError(f"{uri} is not in the registry at {home.tracking_uri}: {error.message}") from error
    registered = found.tags.get("model_digest")
    if not registered:
        raise HematoVisionError(f"{uri} was registered without the digest of its files and cannot be verified.")
    return KnownVersion(found.name, str(found.version), registered, f"models:/{found.name}/{found.version}")


def copy_package(home: Home, version: KnownVersion, folder: Path) -> Path:
    """Copy a version's package into a folder of ours, where nobody changes it between its verification and its use.

    Returns:
        The package; its files still have to be checked against its list of digests (`verify_package`).

    Raises:
        HematoVisionError: its list of digests is not the one that was registered.
    """
    package = Path(shutil.copytree(fetch_model(home, version.uri) / "artifacts" / "package", folder / "package"))
    if version.digest is not None and package_digest(package) != version.digest:
        raise HematoVisionError(
            f"{version.reference} is not the model that was registered: the digest of its files is "
            f"{package_digest(package)[:12]}…, not {version.digest[:12]}…. It is not loaded."
        )
    return package
