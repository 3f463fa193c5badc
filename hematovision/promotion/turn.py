"""One change of champion at a time, on one machine or on many."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from hematovision.database import database_url, open_database
from hematovision.home import Home

MOVES = 0x48454D42  # PostgreSQL's advisory locks are numbers; this one is of whoever moves a champion


@contextmanager
def own_turn(home: Home, database: str | None) -> Iterator[None]:
    """Wait until no other process moves a champion; the operating system or the database ends the turn of a killed one.

    Args:
        database: the setting `records.database`; with PostgreSQL, machines wait for each other too.
    """
    home.databases.mkdir(parents=True, exist_ok=True)
    with (home.databases / "champion.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with _turn_in_database(home, database):
            yield


@contextmanager
def _turn_in_database(home: Home, database: str | None) -> Iterator[None]:
    url = database_url(database, home.databases / "ledger.db", named="records.database")
    if not url.startswith("postgresql"):
        yield
        return
    from sqlalchemy import text

    with open_database(url).connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": MOVES})
        yield
