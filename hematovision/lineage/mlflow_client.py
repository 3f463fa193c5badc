"""An MLflow server, asked through MLflow's client."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hematovision.errors import HematoVisionError
from hematovision.lineage.tracking import TrackedRun, Version

_PAGE = 1000


class ClientTracking:
    """An MLflow store that only its client can read."""

    def __init__(self, uri: str) -> None:
        import mlflow

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        self.uri = uri
        self.client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    def versions(self) -> list[Version]:
        """Every version that is not deleted, the one changed last first; prompts are none."""
        from mlflow.exceptions import MlflowException

        try:
            aliases = _aliases(_pages(self.client.search_registered_models))
            return [_version(row, aliases) for row in _pages(self.client.search_model_versions)]
        except MlflowException as error:
            raise HematoVisionError(f"The MLflow registry at {self.uri} cannot be read: {error.message}") from error

    def run(self, run_id: str) -> TrackedRun | None:
        """A run, deleted ones too; None where there is none (any more)."""
        from mlflow.exceptions import MlflowException

        try:
            run = self.client.get_run(run_id)
        except MlflowException:
            return None
        told = run.info
        return TrackedRun(told.run_name, told.status, told.lifecycle_stage, dict(run.data.params), told.artifact_uri)


def _pages(search: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _aliases(models: Iterator[Any]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Aliases by name and version: a search of versions does not carry them."""
    held: dict[tuple[str, str], tuple[str, ...]] = {}
    for model in models:
        for alias, number in model.aliases.items():
            held[model.name, str(number)] = (*held.get((model.name, str(number)), ()), alias)
    return held


def _version(row: Any, aliases: dict[tuple[str, str], tuple[str, ...]]) -> Version:
    created = datetime.fromtimestamp(row.creation_timestamp / 1000, UTC).isoformat(timespec="milliseconds")
    number = str(row.version)
    return Version(row.name, number, row.run_id or "", created, dict(row.tags), aliases.get((row.name, number), ()))
