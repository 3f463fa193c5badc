"""What is registered under a name, and the aliases that point into it."""

from collections.abc import Mapping
from typing import Any

from hematovision.errors import UsageError
from hematovision.home import Home
from hematovision.registry.versions import RegisteredVersion, client_of, find_version


def read_aliases(home: Home, name: str) -> dict[str, str]:
    """Version by alias; none for a model that was never registered.

    MLflow answers a search with empty aliases, so they are read from the registered model.
    """
    from mlflow.exceptions import MlflowException

    try:
        found = client_of(home).get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
    return {str(alias): str(version) for alias, version in found.items()}


def list_versions(home: Home, name: str) -> list[RegisteredVersion]:
    """All versions of a model, the newest first."""
    client = client_of(home)
    found: list[Any] = []
    token: str | None = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        found += page
        token = page.token
        if not token:
            break
    newest_first = sorted(found, key=lambda item: -int(item.version))
    return [RegisteredVersion(home, name, str(one.version), str(one.run_id), dict(one.tags)) for one in newest_first]


def named_version(home: Home, text: str, default_name: str) -> RegisteredVersion:
    """The version a person means.

    Args:
        text: NAME/VERSION or NAME@ALIAS, with or without `models:/`; or, of the default model, a version or an alias.

    Raises:
        UsageError: there is no such version.
    """
    rest = text.removeprefix("models:/")
    if "/" not in rest and "@" not in rest:
        rest = f"{default_name}/{rest}" if rest.isdigit() else f"{default_name}@{rest}"
    return find_version(home, f"models:/{rest}")


def set_alias(home: Home, name: str, alias: str, version: str) -> None:
    """Point an alias at a version: one row replaced in one transaction, so the alias is never absent."""
    client_of(home).set_registered_model_alias(name, alias, version)


def delete_alias(home: Home, name: str, alias: str) -> None:
    """Let an alias point nowhere."""
    client_of(home).delete_registered_model_alias(name, alias)


def set_tags(home: Home, name: str, version: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Set tags of a version; returns those that said something else before."""
    client = client_of(home)
    present = client.get_model_version(name, version).tags
    changed = {key: value for key, value in tags.items() if present.get(key) != value}
    for key, value in changed.items():
        client.set_model_version_tag(name, version, key, value)
    return changed


def check_name(name: str) -> None:
    """Refuse a model name that MLflow's search could read as more than a name.

    Raises:
        UsageError: it holds a quote or a character that no name has.
    """
    if not name or any(character in name for character in "'\"/:\\\0"):
        raise UsageError(f"{name!r} is no name of a model.")
