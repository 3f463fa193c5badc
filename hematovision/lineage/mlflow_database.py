"""MLflow's tables, read as they lie in a database; only the columns that a lineage needs are named here."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, column, select, table

from hematovision.lineage.foreign_database import ForeignDatabase
from hematovision.lineage.tracking import TrackedRun, Version

if TYPE_CHECKING:
    from sqlalchemy import Connection, TableClause

DELETED = "Deleted_Internal"
IS_PROMPT = "mlflow.prompt.is_prompt"
RUN_NAME = "mlflow.runName"
WORKSPACE = "default"


def _table(name: str, *columns: str) -> "TableClause":
    return table(name, *(column(one) for one in columns))


VERSIONS = _table(
    "model_versions",
    *("workspace", "name", "version", "creation_time", "last_updated_time", "current_stage", "run_id"),
)
VERSION_TAGS = _table("model_version_tags", "workspace", "name", "version", "key", "value")
ALIASES = _table("registered_model_aliases", "workspace", "name", "alias", "version")
RUNS = _table("runs", "run_uuid", "name", "status", "lifecycle_stage", "artifact_uri")
PARAMETERS = _table("params", "run_uuid", "key", "value")
RUN_TAGS = _table("tags", "run_uuid", "key", "value")
TABLES = (VERSIONS, VERSION_TAGS, ALIASES, RUNS, PARAMETERS, RUN_TAGS)

_Tags = Mapping[tuple[str, int], Mapping[str, str]]
_Aliases = Mapping[tuple[str, int], tuple[str, ...]]


class DatabaseTracking:
    """An MLflow store in a database: what MLflow's client would answer, without its leave to write."""

    def __init__(self, uri: str) -> None:
        self.database = ForeignDatabase(uri, of="MLflow", package="mlflow")

    def versions(self) -> list[Version]:
        """Every version that is not deleted, the one changed last first; prompts are none."""
        with self.database.reading() as connection:
            tags, aliases = _tags(connection), _aliases(connection)
            rows = connection.execute(_standing()).all()
        return [_version(row, tags, aliases) for row in rows]

    def run(self, run_id: str) -> TrackedRun | None:
        """A run, deleted ones too; None where there is none (any more)."""
        with self.database.reading() as connection:
            row = connection.execute(select(RUNS).where(RUNS.c.run_uuid == run_id)).first()
            if row is None:
                return None
            parameters = _pairs(connection, PARAMETERS, run_id)
            name = row.name or _pairs(connection, RUN_TAGS, run_id).get(RUN_NAME, "")
        return TrackedRun(name, row.status, row.lifecycle_stage, parameters, row.artifact_uri)


def _standing() -> Any:
    """The versions in the order in which MLflow gives them."""
    prompts = select(VERSION_TAGS.c.name).where(
        VERSION_TAGS.c.workspace == WORKSPACE, VERSION_TAGS.c.key == IS_PROMPT, VERSION_TAGS.c.value == "true"
    )
    models = and_(
        VERSIONS.c.workspace == WORKSPACE, VERSIONS.c.current_stage != DELETED, VERSIONS.c.name.not_in(prompts)
    )
    order = (VERSIONS.c.last_updated_time.desc(), VERSIONS.c.name, VERSIONS.c.version.desc())
    return select(VERSIONS).where(models).order_by(*order)


def _tags(connection: "Connection") -> _Tags:
    found: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for row in connection.execute(select(VERSION_TAGS).where(VERSION_TAGS.c.workspace == WORKSPACE)):
        found[row.name, row.version][row.key] = row.value
    return found


def _aliases(connection: "Connection") -> _Aliases:
    found: dict[tuple[str, int], tuple[str, ...]] = defaultdict(tuple)
    query = select(ALIASES).where(ALIASES.c.workspace == WORKSPACE).order_by(ALIASES.c.alias)
    for row in connection.execute(query):
        found[row.name, row.version] += (row.alias,)
    return found


def _pairs(connection: "Connection", told: "TableClause", run_id: str) -> dict[str, str]:
    rows = connection.execute(select(told.c.key, told.c.value).where(told.c.run_uuid == run_id))
    return {row.key: row.value for row in rows}


def _version(row: Any, tags: _Tags, aliases: _Aliases) -> Version:
    created = datetime.fromtimestamp(row.creation_time / 1000, UTC).isoformat(timespec="milliseconds")
    key = (row.name, row.version)
    return Version(row.name, str(row.version), row.run_id or "", created, tags.get(key, {}), aliases.get(key, ()))
