"""Every store that a lineage is read from; of ZenML, what it knows of runs that were, as plain records."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hematovision.config import RunConfig
from hematovision.database import database_url, open_database
from hematovision.home import Home
from hematovision.ledger import open_ledger
from hematovision.lineage.cells import open_index
from hematovision.lineage.from_cells import CellReader
from hematovision.lineage.from_dvc import PinReader
from hematovision.lineage.from_feedback import FeedbackReader
from hematovision.lineage.from_ledger import LedgerReader
from hematovision.lineage.from_mlflow import Registry, RegistryReader
from hematovision.lineage.from_runs import RunReader, RunRecord
from hematovision.lineage.graph import Reader

_PAGE = 500


class ZenMLHistory:
    """The runs of the active ZenML project; nothing is opened before it is asked."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @property
    def unread(self) -> Sequence[str]:
        """A local store that no run has made yet; asking ZenML would make one."""
        ours = self._home.root / "zenml"
        local = "ZENML_STORE_URL" not in os.environ and Path(os.environ.get("ZENML_CONFIG_PATH", "")) == ours
        absent = local and not any(ours.glob("stores/*/zenml.db"))
        return ("there is no ZenML store in this home yet",) if absent else ()

    def runs(self) -> list[RunRecord]:
        """Every pipeline run with its data version."""
        if self.unread:
            return []
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


def lineage_readers(home: Home, config: RunConfig) -> list[Reader]:
    """Every store of a home, to be asked for a lineage."""
    registry = Registry(home)
    index = open_index(home)
    versions = registry.versions.values()
    ledger = LedgerReader(open_ledger(home, config.records.database), versions)
    records = database_url(config.records.database, home.databases / "feedback.db", named="records.database")
    return [
        RegistryReader(registry),
        CellReader(registry, index),
        RunReader(ZenMLHistory(home)),
        PinReader(kept=home.data_versions),
        ledger,
        FeedbackReader(open_database(records), ledger),
    ]
