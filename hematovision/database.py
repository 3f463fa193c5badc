"""Where records are kept: sqlite files in the home, or one database that the configuration names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hematovision.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

WRITE_LOCK = 0x48454D41  # PostgreSQL's advisory locks are numbers; this one is ours
BUSY_SECONDS = 30
LOG_PAGES = 10_000  # 40 MB of sqlite's log before a commit has to copy it into the database: rarely in anybody's answer


def refuse_password(url: str | None) -> str | None:
    """A database setting, if it holds no secret: settings are recorded with every run.

    Raises:
        ValueError: the URL holds a password.
    """
    if url and urlsplit(url).password:
        raise ValueError(
            "settings are recorded with every run: keep the URL with its password in an environment variable and "
            "name that, such as $HEMATOVISION_DATABASE"
        )
    return url


def database_url(setting: str | None, default: Path, *, named: str) -> str:
    """The URL a setting stands for.

    Args:
        setting: a URL as SQLAlchemy takes it, `$NAME` of an environment variable that holds one, or None.
        default: the sqlite file used without a setting; its folder is made.
        named: what the setting is called in the configuration, for messages.

    Raises:
        UsageError: the environment variable is not set.
    """
    if setting is None:
        default.parent.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{default}"
    if setting.startswith("$"):
        url = os.environ.get(setting[1:])
        if not url:
            raise UsageError(f"{named} names {setting}, but that environment variable is not set.")
        return url
    return setting


def open_database(url: str) -> "Engine":
    """An engine whose commits are on disk when they return (see `writing`), for many processes at once.

    sqlite is put into write-ahead mode with `synchronous=FULL`; a writer waits up to 30 s for another.

    Raises:
        UsageError: the URL names no database that is installed here.
    """
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise UsageError(f"{urlsplit(url).scheme}://… is no database that can be opened here: {error}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own transactions begin too late to keep a second writer out
    connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: "Connection") -> None:
    options = connection.get_execution_options()
    if not options.get("writes", False):
        connection.exec_driver_sql("BEGIN")
        return
    connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if options['flushed'] else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def writing(engine: "Engine", *, flushed: bool = True) -> Iterator["Connection"]:
    """A transaction that is the only one writing: what it reads stays true until it commits.

    Args:
        flushed: its commit waits for the disk. Without, a kill of this process loses nothing, a power cut may lose the
            last seconds, and the next flushed commit brings this one to the disk too (sqlite's write-ahead log with
            `synchronous=NORMAL`, PostgreSQL's `synchronous_commit=off`).
    """
    from sqlalchemy import text

    with engine.connect().execution_options(writes=True, flushed=flushed) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": WRITE_LOCK})
            if not flushed:
                connection.execute(text("SET LOCAL synchronous_commit TO off"))
        yield connection
