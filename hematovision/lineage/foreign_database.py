"""A database that another program keeps: read as it lies, never written to, and no table of it is ever made."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, column, create_engine, event, make_url, select, table
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from hematovision.database import BUSY_SECONDS
from hematovision.errors import HematoVisionError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_SCHEMA = table("alembic_version", column("version_num"))


class ForeignDatabase:
    """MLflow's or ZenML's own database.

    Args:
        url: as SQLAlchemy takes it. A file of sqlite is opened so that it cannot be written to, by a user who may write
            to it too; PostgreSQL refuses writes in the session. Others are only ever asked.
        of: the program that keeps it, and its Python package: they are named in messages.

    Raises:
        HematoVisionError: no database that can be opened here.
    """

    def __init__(self, url: str, *, of: str, package: str) -> None:
        self.program, self.package = of, package
        try:
            self._url = make_url(url)
            self._engine = _read_only(self._url)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise HematoVisionError(f"The database of {of} cannot be opened here: {error}") from error

    @contextmanager
    def reading(self) -> Iterator["Connection"]:
        """One transaction: all that is read in it is of one moment.

        Raises:
            HematoVisionError: there is no such database, or it is not as the installed version of its program has it.
        """
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise HematoVisionError(self._complaint(error)) from error

    def _complaint(self, error: SQLAlchemyError) -> str:
        reason = str(getattr(error, "orig", None) or error)
        where = self._url.render_as_string(hide_password=True)
        return (
            f"The database of {self.program} at {where} cannot be read: {reason}. Its schema is {self._schema()}, and "
            f"{self.package} {version(self.package)} is installed: it may have been made by another version, or be no "
            "such database."
        )

    def _schema(self) -> str:
        try:
            with self._engine.connect() as connection:
                return ", ".join(map(str, connection.execute(select(_SCHEMA)).scalars())) or "unknown"
        except SQLAlchemyError:
            return "unknown"


def _read_only(url: URL) -> "Engine":
    if url.get_backend_name() != "sqlite":
        return create_engine(url, execution_options={"postgresql_readonly": True})
    file = Path(url.database or "").absolute().as_uri()
    opened = URL.create("sqlite", database=file, query={"mode": "ro", "uri": "true"})
    engine = create_engine(opened, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine
