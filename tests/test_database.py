"""The database: what is committed is there, one writer at a time, and no password in a setting."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from hematovision.config import load_config
from hematovision.database import database_url, open_database, writing
from hematovision.errors import UsageError

COUNT = """
import sys
from sqlalchemy import text
from hematovision.database import open_database, writing
engine = open_database(sys.argv[1])
for _ in range(50):
    with writing(engine) as connection:
        last = connection.execute(text("SELECT max(number) FROM counted")).scalar() or 0
        connection.execute(text("INSERT INTO counted VALUES (:number)"), {"number": last + 1})
"""


def test_writers_in_other_processes_wait_for_each_other(tmp_path: Path) -> None:
    url = database_url(None, tmp_path / "records" / "count.db", named="records.database")
    engine = open_database(url)
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE counted (number INTEGER PRIMARY KEY)"))
    writers = [subprocess.Popen([sys.executable, "-c", COUNT, url]) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*), max(number) FROM counted")).one() == (200, 200)


def test_what_fails_is_rolled_back(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'one.db'}")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE kept (number INTEGER PRIMARY KEY)"))
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(text("INSERT INTO kept VALUES (:number)"), [{"number": 1}, {"number": 1}])
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM kept")).scalar() == 0


def test_commits_are_synchronous(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path / 'one.db'}").connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2


def test_a_commit_waits_for_the_disk_unless_told_otherwise(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'one.db'}")
    asked = [{}, {"flushed": False}, {}, {"flushed": True}]
    found = []
    for how in asked:  # one connection, handed back and taken again
        with writing(engine, **how) as connection:
            found.append(connection.execute(text("PRAGMA synchronous")).scalar())
    assert found == [2, 1, 2, 2]


def test_postgresql_waits_for_the_disk_unless_told_otherwise(postgres: str) -> None:
    engine = open_database(postgres)
    found = []
    for flushed in (True, False, True):
        with writing(engine, flushed=flushed) as connection:
            found.append(connection.execute(text("SHOW synchronous_commit")).scalar())
    assert found == ["on", "off", "on"]


def test_a_password_in_a_setting_is_refused() -> None:
    with pytest.raises(UsageError, match=r"environment variable"):
        load_config(changes={"records": {"database": "postgresql://me:secret@host/records"}})


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"records.database names \$RECORDS"):
        database_url("$RECORDS", tmp_path / "x.db", named="records.database")
    monkeypatch.setenv("RECORDS", "sqlite:///elsewhere.db")
    assert database_url("$RECORDS", tmp_path / "x.db", named="records.database") == "sqlite:///elsewhere.db"


def test_an_unknown_kind_of_database_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="nosuch"):
        open_database("nosuch://host/x")
