"""The same ledger in PostgreSQL, where several installations may write."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from hematovision.errors import GateRefused, HematoVisionError
from hematovision.home import Home
from hematovision.ledger import Ledger, add_reviewer, create_key, key_request, load_key, open_ledger, sign, statement
from hematovision.ledger.export import export_ledger
from hematovision.ledger.proof import check_archive
from hematovision.ledger.verification import verify_ledger

MODEL = "model:hematovision/1"
APPEND = """
import sys
from pathlib import Path
from hematovision.home import Home
from hematovision.ledger import open_ledger
ledger = open_ledger(Home(Path(sys.argv[1])), sys.argv[2])
for number in range(int(sys.argv[3])):
    print(ledger.append("training", "run:%d" % number, {"n": number}).number, flush=True)
"""


@pytest.fixture
def shared(home: Home, postgres: str) -> Ledger:
    return open_ledger(home, postgres)


def says(ledger: Ledger) -> str:
    return "\n".join(finding.says for finding in verify_ledger(ledger).findings)


def altered(ledger: Ledger, command: str) -> None:
    with ledger.engine.begin() as connection:
        connection.execute(text(command))


def test_everything_of_a_ledger(shared: Ledger, home: Home, tmp_path: Path) -> None:
    assert shared.head() is None and says(shared) == ""
    create_key(tmp_path / "ada.pem", None)
    ada = load_key(tmp_path / "ada.pem", None)
    add_reviewer(shared, key_request(ada, "Ada"), ["lead"], actor="user:me")
    content = {"nonce": "1", "µ": "κ\u0000"}
    signature = sign(ada, statement("decision", MODEL, content))
    first = shared.append("decision", MODEL, content, actor="Ada", signature=signature, unique="one")
    assert shared.append("decision", MODEL, content, actor="Ada", signature=signature, unique="one") == first
    with pytest.raises(GateRefused, match="used before"):
        shared.append("decision", MODEL, content, actor="Ada", signature=signature)
    assert list(shared.records(kind="decision", subject=MODEL)) == [first]
    assert says(shared) == ""
    assert (home.databases / shared.installation.anchor_path.name).is_file()
    export_ledger(shared, tmp_path / "x.zip")
    assert check_archive(tmp_path / "x.zip").findings == []


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("UPDATE ledger_records SET actor = 'user:other' WHERE number = 3", "record 3, a training"),
        ("DELETE FROM ledger_records WHERE number = 3", "record 3 is missing"),
        ("DELETE FROM ledger_records WHERE number > 3", "its end was cut off"),
        ("DROP TABLE ledger_records", "its end was cut off"),
        ("ALTER TABLE ledger_records DROP COLUMN seal", "cannot be read any more"),
    ],
)
def test_alterations_are_found(shared: Ledger, command: str, told: str) -> None:
    for number in range(4):
        shared.append("training", MODEL, {"n": number})
    altered(shared, command)
    assert told in says(shared)


def test_another_installation_joins(shared: Ledger, home: Home, postgres: str, tmp_path: Path) -> None:
    shared.append("training", MODEL, {})
    other = open_ledger(Home(tmp_path / "other"), postgres)
    assert says(other) == ""
    for _ in range(40):
        other.append("training", MODEL, {})
    shared.append("training", MODEL, {})
    assert says(shared) == says(other) == ""
    assert len(verify_ledger(shared).chain.keys.installations) == 2
    altered(shared, "DELETE FROM ledger_records WHERE number > 40")
    assert "cut off" in says(shared) and "cut off" in says(other)
    with pytest.raises(HematoVisionError, match="cut off"):
        open_ledger(home, postgres).append("training", MODEL, {})


def test_processes_append_side_by_side_and_may_be_killed(
    shared: Ledger, home: Home, postgres: str, tmp_path: Path
) -> None:
    def appender(root: Path, count: int) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", APPEND, str(root), postgres, str(count)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    processes = [appender(home.root, 20), appender(home.root, 20), appender(tmp_path / "b", 20)]
    killed = appender(tmp_path / "c", 10_000)
    assert killed.stdout and killed.stdout.readline()
    numbers = [number for process in processes for number in process.communicate(timeout=120)[0].split()]
    killed.kill()
    killed.communicate()
    assert len(set(numbers)) == 60
    assert says(shared) == ""
    assert says(open_ledger(Home(tmp_path / "c"), postgres)) == ""
