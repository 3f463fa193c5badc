"""ZenML's tables, read as they lie in a local store; only the columns that a lineage needs are named here."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import DateTime, Uuid, column, select, table

from hematovision.errors import HematoVisionError
from hematovision.lineage.foreign_database import ForeignDatabase
from hematovision.lineage.from_runs import RunRecord

if TYPE_CHECKING:
    from sqlalchemy import Connection

OF_STEPS = "step_run"
DEFAULT_PROJECT = "default"

PROJECTS = table("project", column("id", Uuid()), column("name"))
PIPELINES = table("pipeline", column("id", Uuid()), column("name"))
RUNS = table(
    "pipeline_run",
    *(column(name, Uuid()) for name in ("id", "project_id", "pipeline_id")),
    *(column(name, DateTime()) for name in ("created", "start_time", "end_time")),
    column("name"),
    column("status"),
)
STEPS = table(
    "step_run",
    *(column(name, Uuid()) for name in ("id", "project_id", "pipeline_run_id")),
    column("created", DateTime()),
    column("name"),
    column("status"),
)
METADATA = table("run_metadata", column("id", Uuid()), column("created", DateTime()), column("key"), column("value"))
METADATA_OF = table(
    "run_metadata_resource",
    column("resource_id", Uuid()),
    column("resource_type"),
    column("run_metadata_id", Uuid()),
)
TABLES = (PROJECTS, PIPELINES, RUNS, STEPS, METADATA, METADATA_OF)


class DatabaseHistory:
    """The runs of one project in a local ZenML store: what ZenML's client would answer, without its leave to write.

    Args:
        file: the store's sqlite file. project: the id of the project, or None for the one ZenML makes first.
    """

    unread: Sequence[str] = ()

    def __init__(self, file: Path, project: str | None) -> None:
        self._file, self._asked = file, project
        self._database = ForeignDatabase(f"sqlite:///{file}", of="ZenML", package="zenml")

    @cached_property
    def _project(self) -> UUID:
        wanted = PROJECTS.c.id == UUID(self._asked) if self._asked else PROJECTS.c.name == DEFAULT_PROJECT
        with self._database.reading() as connection:
            found: UUID | None = connection.execute(select(PROJECTS.c.id).where(wanted)).scalar()
        if found is None:
            raise HematoVisionError(
                f"ZenML's store {self._file} has no project {self._asked or DEFAULT_PROJECT}, which is the active one: "
                "choose another with `zenml project set NAME`."
            )
        return found

    def runs(self) -> list[RunRecord]:
        """Every pipeline run with its data version, the newest first."""
        named = RUNS.outerjoin(PIPELINES, RUNS.c.pipeline_id == PIPELINES.c.id)
        query = select(RUNS, PIPELINES.c.name.label("pipeline")).select_from(named)
        query = query.where(RUNS.c.project_id == self._project).order_by(RUNS.c.created.desc(), RUNS.c.id.desc())
        with self._database.reading() as connection:
            versions = self._versions(connection)
            return [_record(row, versions) for row in connection.execute(query)]

    def _versions(self, connection: "Connection") -> Mapping[UUID, str]:
        """What the ingest step of each run told of its data last."""
        told = STEPS.join(METADATA_OF, METADATA_OF.c.resource_id == STEPS.c.id)
        told = told.join(METADATA, METADATA.c.id == METADATA_OF.c.run_metadata_id)
        query = select(STEPS.c.pipeline_run_id, METADATA.c.value).select_from(told)
        query = query.where(STEPS.c.name == "ingest", STEPS.c.project_id == self._project)
        query = query.where(METADATA_OF.c.resource_type == OF_STEPS, METADATA.c.key == "version")
        rows = connection.execute(query.order_by(STEPS.c.created, STEPS.c.id, METADATA.c.created))
        return {row.pipeline_run_id: str(json.loads(row.value)) for row in rows}

    def steps(self, run_id: str) -> Mapping[str, str]:
        """The steps of one run in the order they began."""
        query = select(STEPS.c.name, STEPS.c.status).order_by(STEPS.c.created, STEPS.c.id)
        query = query.where(STEPS.c.pipeline_run_id == UUID(run_id), STEPS.c.project_id == self._project)
        with self._database.reading() as connection:
            return {row.name: row.status for row in connection.execute(query)}


def _record(row: Any, versions: Mapping[UUID, str]) -> RunRecord:
    return RunRecord(
        id=str(row.id),
        pipeline=row.pipeline or "",
        name=row.name,
        status=row.status,
        started=row.start_time.isoformat() if row.start_time else "",
        ended=row.end_time.isoformat() if row.end_time else "",
        data_version=versions.get(row.id),
    )
