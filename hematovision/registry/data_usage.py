"""Which registered versions learnt from which data version, as their tags say."""

import re
from collections import defaultdict
from typing import Any

from hematovision.errors import UsageError
from hematovision.home import Home
from hematovision.registry.versions import client_of

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_MODEL = re.compile(rf"(?:models:/)?(?P<name>{_NAME})(?:/(?P<version>[0-9]{{1,18}})|@(?P<alias>{_NAME}))")


def models_by_data(home: Home) -> dict[str, list[str]]:
    """`NAME/VERSION` of every registered version, by the text of the data version it learnt from."""
    found: dict[str, list[str]] = defaultdict(list)
    for version in _client(home).search_model_versions():
        data = version.tags.get("data_version")
        if data:
            found[data].append(f"{version.name}/{version.version}")
    return {data: sorted(models, key=_natural) for data, models in found.items()}


def registered_version(home: Home, asked: str) -> Any | None:
    """MLflow's model version for `models:/NAME/VERSION`, `models:/NAME@ALIAS` or `NAME/VERSION`; None for other words.

    Raises:
        UsageError: the words name a version that is not in the registry.
    """
    from mlflow.exceptions import MlflowException

    named = _MODEL.fullmatch(asked)
    if named is None:
        return None
    client = _client(home)
    try:
        if named["alias"]:
            return client.get_model_version_by_alias(named["name"], named["alias"])
        return client.get_model_version(named["name"], named["version"])
    except MlflowException as error:
        raise UsageError(f"{asked} is not in the registry at {home.tracking_uri}: {error.message}") from error


def data_of(home: Home, asked: str) -> str:
    """What to look a data version up by: the content a model's tags name, or the words as they are.

    Raises:
        UsageError: a model that is not in the registry, or whose tags name no data version.
    """
    version = registered_version(home, asked)
    if version is None:
        return asked
    named = version.tags.get("data_content") or version.tags.get("data_version")
    if not named:
        raise UsageError(f"{asked} was not registered by HematoVision: no tag says which data it learnt from.")
    return str(named)


def _client(home: Home) -> Any:
    import logging

    logging.getLogger("alembic").setLevel(logging.ERROR)
    return client_of(home)


def _natural(model: str) -> tuple[str, int]:
    name, _, number = model.rpartition("/")
    return name, int(number)
