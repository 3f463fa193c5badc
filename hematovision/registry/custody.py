"""What the auditor of a ledger asks of the registry and of the files: as they are now, changed by nothing here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import Home
from hematovision.ledger.agreement import RegistryFacts
from hematovision.ledger.artifacts import inside, measure, package_files, tree_digest
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.versions import client_of, use_store

PAGE = 500


def registry_facts(home: Home) -> RegistryFacts:
    """Every version with its tags, and every alias; nothing where no registry was ever made.

    Raises:
        HematoVisionError: the registry cannot be read.
    """
    if _absent(home):
        return RegistryFacts(versions={}, aliases={})
    from mlflow.exceptions import MlflowException

    client = client_of(home)
    try:
        models = _every(client.search_registered_models)
        versions = _every(client.search_model_versions)
    except MlflowException as error:
        raise HematoVisionError(f"The registry at {home.tracking_uri} cannot be read: {error.message}") from error
    return RegistryFacts(
        versions={f"{version.name}/{version.version}": dict(version.tags) for version in versions},
        aliases={
            model.name: {alias: str(version) for alias, version in dict(model.aliases).items()} for model in models
        },
    )


def _absent(home: Home) -> bool:
    """Whether the registry would be made only by asking it."""
    if not home.tracking_uri.startswith("sqlite:"):
        return False
    from sqlalchemy import make_url

    return not Path(make_url(home.tracking_uri).database or "").is_file()


def _every(search: Callable[..., Any]) -> list[Any]:
    page = search(max_results=PAGE)
    found = list(page)
    while page.token:
        page = search(max_results=PAGE, page_token=page.token)
        found += page
    return found


def measure_artifact(home: Home, uri: str) -> str | None:
    """The SHA-256 of what lies at an artifact's URI now; None where nothing does.

    Args:
        uri: `home:PATH` (a file, or a model package), `models:/NAME/VERSION` (its package),
            `models:/NAME/VERSION#files` (all files of the logged model), or `runs:/RUN/PATH`.

    Raises:
        HematoVisionError: it cannot be reached, or a package is not whole.
    """
    if uri.startswith("models:/") and uri.endswith("#files"):
        return tree_digest(fetch_model(home, uri.removesuffix("#files")))
    return measure(_place(home, uri))


def artifact_files(home: Home, uri: str) -> Mapping[str, Path]:
    """The files of an artifact for an export: a file under the empty name, those of a package under theirs.

    Raises:
        HematoVisionError: it is not there, or not whole.
    """
    place = _place(home, uri)
    if place.is_dir():
        return package_files(place)
    if not place.is_file():
        raise HematoVisionError(f"{uri} is missing")
    return {"": place}


def _place(home: Home, uri: str) -> Path:
    scheme, _, rest = uri.partition(":")
    if scheme == "home":
        return inside(home.root, rest)
    if scheme == "models":
        return fetch_model(home, uri) / "artifacts" / "package"
    if scheme == "runs":
        return _downloaded(home, uri)
    raise UsageError(f"{uri} is no place that can be looked into: home:, models:/ and runs:/ are")


def _downloaded(home: Home, uri: str) -> Path:
    import mlflow
    from mlflow.exceptions import MlflowException

    use_store(home)
    try:
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except (MlflowException, OSError) as error:
        raise HematoVisionError(f"it cannot be fetched: {error}") from error
