"""What ZenML knows of runs that were: which store answers for a home, and the client for those on a server."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hematovision.errors import HematoVisionError
from hematovision.home import Home
from hematovision.lineage.from_runs import History, RunRecord

_PAGE = 500
_SET = ("ZENML_SERVER", "ZENML_ACTIVE_PROJECT_ID", "ZENML_REPOSITORY_PATH")


def zenml_history(home: Home) -> History:
    """The runs of the active ZenML project, by whoever can tell them; nothing is opened before it is asked.

    A store in a local file is read as it is: ZenML's client makes or migrates one when it opens it. Servers, and what
    environment variables or a ZenML repository around the working folder decide, are asked through the client.

    Raises:
        HematoVisionError: ZenML's configuration cannot be read.
    """
    configured = _configuration()
    if configured is None or not _is_file(configured):
        return ClientHistory()
    from hematovision.cli.zenml_database import DatabaseHistory

    file = _store_file(configured)
    if not file.exists():
        ours = file.is_relative_to(home.root)
        return NoHistory("there is no ZenML store in this home yet" if ours else f"there is no ZenML store at {file}")
    return DatabaseHistory(file, configured.get("active_project_id"))


def _configuration() -> dict[str, Any] | None:
    """ZenML's own configuration of this user or home; None where something else has the last word."""
    folder = os.environ.get("ZENML_CONFIG_PATH")
    decided = any(name in _SET or name.startswith("ZENML_STORE_") for name in os.environ)
    here = Path.cwd()
    if not folder or decided or any((place / ".zen").is_dir() for place in (here, *here.parents)):
        return None
    file = Path(folder) / "config.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise HematoVisionError(f"ZenML's configuration {file} cannot be read: {error}") from error
    return content if isinstance(content, dict) else {}


def _is_file(configured: Mapping[str, Any]) -> bool:
    return str((configured.get("store") or {}).get("url", "sqlite:")).startswith("sqlite:")


def _store_file(configured: Mapping[str, Any]) -> Path:
    """The file that the configuration names; without one, where ZenML would make it."""
    if url := (configured.get("store") or {}).get("url"):
        return Path(str(url).removeprefix("sqlite:///"))
    folder = Path(os.environ["ZENML_CONFIG_PATH"])
    stores = os.environ.get("ZENML_LOCAL_STORES_PATH") or folder / "local_stores"
    return Path(stores) / "default_zen_store" / "zenml.db"


class NoHistory:
    """A store that no run has made yet; asking ZenML would make one."""

    def __init__(self, why: str) -> None:
        self.unread: Sequence[str] = (why,)

    def runs(self) -> list[RunRecord]:
        """None."""
        return []

    def steps(self, run_id: str) -> Mapping[str, str]:  # noqa: ARG002 - there are no runs
        """None."""
        return {}


class ClientHistory:
    """The runs of the active project, asked through ZenML's client."""

    unread: Sequence[str] = ()

    def runs(self) -> list[RunRecord]:
        """Every pipeline run with its data version."""
        from zenml.client import Client

        client = Client()
        versions = {
            str(step.pipeline_run_id): str(step.run_metadata["version"])
            for step in _pages(client.list_run_steps, name="ingest", hydrate=True)
            if "version" in step.run_metadata
        }
        return [_record(run, versions) for run in _pages(client.list_pipeline_runs, hydrate=True)]

    def steps(self, run_id: str) -> Mapping[str, str]:
        """The steps of one run in the order they began."""
        from zenml.client import Client

        steps = _pages(Client().list_run_steps, pipeline_run_id=run_id, sort_by="created")
        return {step.name: str(step.status) for step in steps}


def _pages(ask: Any, **filters: Any) -> Iterator[Any]:
    number = 1
    while True:
        page = ask(size=_PAGE, page=number, **filters)
        yield from page.items
        if number >= page.total_pages:
            return
        number += 1


def _record(run: Any, versions: Mapping[str, str]) -> RunRecord:
    return RunRecord(
        id=str(run.id),
        pipeline=run.pipeline.name if run.pipeline else "",
        name=run.name,
        status=str(run.status),
        started=run.start_time.isoformat() if run.start_time else "",
        ended=run.end_time.isoformat() if run.end_time else "",
        data_version=versions.get(str(run.id)),
    )
