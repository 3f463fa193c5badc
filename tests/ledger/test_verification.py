"""Verification: an untouched ledger has no finding, and no alteration goes unseen."""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hematovision.database import database_url
from hematovision.errors import HematoVisionError
from hematovision.home import Home
from hematovision.ledger import Ledger, create_key, load_key, open_ledger, proof, revoke_reviewer, sign, statement
from hematovision.ledger.agreement import RegistryFacts
from hematovision.ledger.artifacts import inside, measure
from hematovision.ledger.keys import fingerprint, key_request, public_key, sign_for
from hematovision.ledger.verification import verify_ledger

MODEL = "model:hematovision/1"
ALTERATIONS = 1200


def says(ledger: Ledger, **options: object) -> str:
    return "\n".join(finding.says for finding in verify_ledger(ledger, **options).findings)  # type: ignore[arg-type]


def package(folder: Path) -> str:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"weights")
    digests = {"model.onnx": measure(folder / "model.onnx")}
    (folder / "digests.json").write_text(json.dumps(digests))
    return str(measure(folder))


@pytest.fixture
def filled(home: Home, ledger: Ledger, person: Callable[..., object]) -> Ledger:
    """A ledger with some of everything: people, a revocation, decisions, files, idempotency keys."""
    digest = package(home.root / "models" / "one")
    (home.root / "golden.csv").write_text("path,label\n")
    boss = person("Boss", "administrator")
    ada = person("Ada", administrator=boss)
    gone = person("Gone", administrator=boss)
    artifacts = {
        "package": {"sha256": digest, "uri": "home:models/one"},
        "golden": {"sha256": measure(home.root / "golden.csv"), "uri": "home:golden.csv"},
    }
    for number in range(6):
        content = {"n": number, "µ": [0.1, None], "artifacts": artifacts if number == 2 else {}}
        ledger.append("training", f"run:{number}", content, unique=f"run-{number}")
    for name, key in (("Ada", ada), ("Gone", gone), ("Boss", boss)):
        content = {"action": "approve", "name": name, "nonce": name}
        signature = sign(key, statement("decision", MODEL, content))  # type: ignore[arg-type]
        ledger.append("decision", MODEL, content, actor=name, signature=signature)
    revoke_reviewer(ledger, fingerprint(gone), "left", actor="user:boss", administrator=boss)  # type: ignore[arg-type]
    for number in range(6):
        ledger.append("feedback", f"prediction:{number}", {"n": number})
    return ledger


def measured(home: Home) -> Callable[[str], str | None]:
    return lambda uri: measure(inside(home.root, uri.removeprefix("home:")))


def test_an_untouched_ledger_has_no_finding(home: Home, filled: Ledger) -> None:
    verified = verify_ledger(filled, measure=measured(home))
    assert verified.findings == []
    assert (verified.chain.count, verified.artifacts) == (20, 2)
    assert says(open_ledger(Home(home.root / "other"), None)) == ""


def raw(home: Home) -> sqlite3.Connection:
    connection = sqlite3.connect(home.databases / "ledger.db", isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    return connection


def edit(home: Home, draw: random.Random) -> str:
    """Change one field of one record to something else."""
    with raw(home) as connection:
        number = draw.randint(1, 20)
        columns = ["time", "kind", "subject", "content", "actor", "signature", "unique", "previous", "digest",
                   "installation", "seal"]  # fmt: skip
        column = draw.choice(columns)
        query = f'SELECT "{column}" FROM ledger_records WHERE number = ?'  # noqa: S608
        (old,) = connection.execute(query, [number]).fetchone()
        text = old or "x"
        at = draw.randrange(len(text))
        new = draw.choice(
            [text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :], text + " ", text[:at] + text[at + 1 :], "", 7,
             b"\xff", "{}", "[1]", text.upper() + "A"]
        )  # fmt: skip
        if new == old:
            new = f"{old}!"
        change = f'UPDATE ledger_records SET "{column}" = ? WHERE number = ?'  # noqa: S608
        connection.execute(change, [new, number])
    return f"{column} of {number}: {old!r} to {new!r}"


def edit_and_redo_digests(home: Home, draw: random.Random) -> str:
    """Edit a record and make the whole chain after it fit again, as one who knows the format would."""
    with raw(home) as connection:
        connection.row_factory = sqlite3.Row
        number = draw.randint(1, 20)
        rows = [dict(row) for row in connection.execute("SELECT * FROM ledger_records ORDER BY number")]
        previous = rows[number - 2]["digest"] if number > 1 else proof.FIRST
        for row in rows[number - 1 :]:
            fields = {**row, "content": json.loads(row["content"]), "previous": previous}
            fields["signature"] = json.loads(row["signature"]) if row["signature"] else None
            if row["number"] == number:
                fields["content"]["forged"] = True
            previous = proof.record_digest(fields)
            connection.execute(
                "UPDATE ledger_records SET content = ?, previous = ?, digest = ? WHERE number = ?",
                [proof.canonical(fields["content"]).decode(), fields["previous"] + "", previous, row["number"]],
            )
    return f"{number} forged"


def drop(home: Home, draw: random.Random) -> str:
    number = draw.randint(1, 20)
    with raw(home) as connection:
        connection.execute("DELETE FROM ledger_records WHERE number = ?", [number])
        if draw.random() < 0.5:
            connection.execute("UPDATE ledger_records SET number = -number WHERE number > ?", [number])
            connection.execute("UPDATE ledger_records SET number = -number - 1 WHERE number < 0")
    return f"{number} dropped"


def reorder(home: Home, draw: random.Random) -> str:
    one, two = draw.sample(range(1, 21), 2)
    with raw(home) as connection:
        for old, new in ((one, 1000), (two, one), (1000, two)):
            connection.execute("UPDATE ledger_records SET number = ? WHERE number = ?", [new, old])
    return f"{one} and {two} swapped"


def truncate(home: Home, draw: random.Random) -> str:
    kept = draw.randint(0, 19)
    with raw(home) as connection:
        connection.execute("DELETE FROM ledger_records WHERE number > ?", [kept])
        if kept == 0 and draw.random() < 0.5:
            connection.execute("DROP TABLE ledger_records")
    return f"{kept} kept"


def duplicate(home: Home, draw: random.Random) -> str:
    number = draw.randint(1, 20)
    with raw(home) as connection:
        connection.execute(
            "CREATE TABLE copied AS SELECT * FROM ledger_records"
        )  # without the constraints of the table, as one who may alter it would
        connection.execute("DROP TABLE ledger_records")
        connection.execute("ALTER TABLE copied RENAME TO ledger_records")
        connection.execute("INSERT INTO ledger_records SELECT * FROM ledger_records WHERE number = ?", [number])
        if draw.random() < 0.5:
            connection.execute(
                "UPDATE ledger_records SET number = 21 WHERE rowid = (SELECT max(rowid) FROM ledger_records)"
            )
    return f"{number} twice"


def sign_again(home: Home, draw: random.Random) -> str:
    """Replace a seal, a signature or the anchor's seal by one of another key."""
    other = home.root.parent / "other.pem"
    if not other.exists():
        create_key(other, None)
    key = load_key(other, None)
    anchor = Path(f"{home.databases / 'ledger.db'}.head")
    if draw.random() < 0.3:
        told = json.loads(anchor.read_text())
        if draw.random() < 0.5:
            told["installation"] = fingerprint(key)
        message = proof.canonical({"number": told["number"], "digest": told["digest"]})
        anchor.write_text(json.dumps({**told, "seal": sign_for(key, proof.ANCHOR, message)}))
        return "anchor"
    with raw(home) as connection:
        if draw.random() < 0.5:
            number = draw.randint(1, 20)
            (digest,) = connection.execute("SELECT digest FROM ledger_records WHERE number = ?", [number]).fetchone()
            mark = draw.choice([None, fingerprint(key)])
            connection.execute(
                "UPDATE ledger_records SET seal = ?, installation = coalesce(?, installation) WHERE number = ?",
                [sign_for(key, proof.SEAL, digest.encode()), mark, number],
            )
            return f"seal of {number}"
        rows = connection.execute(
            "SELECT number, kind, subject, content FROM ledger_records WHERE signature IS NOT NULL"
        ).fetchall()
        number, kind, subject, content = draw.choice(rows)
        signature = sign(key, statement(kind, subject, json.loads(content)))
        connection.execute(
            "UPDATE ledger_records SET signature = ? WHERE number = ?",
            [proof.canonical(signature.model_dump()).decode(), number],
        )
    return f"signature of {number}"


def replace_file(home: Home, draw: random.Random) -> str:
    name = draw.choice(["models/one/model.onnx", "models/one/digests.json", "golden.csv"])
    path = home.root / name
    data = path.read_bytes()
    what = draw.choice(["gone", "more", "bit", "empty"])
    if what == "gone":
        path.unlink()
    elif what == "more":
        path.write_bytes(data + b"\n")
    elif what == "bit":
        at = draw.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :])
    else:
        path.write_bytes(b"")
    return f"{name} {what}"


def harm_outside(home: Home, draw: random.Random) -> str:
    """Lose, spoil or age what the installation keeps outside the database."""
    anchor = Path(f"{home.databases / 'ledger.db'}.head")
    what = draw.choice(["lost", "spoilt", "number", "key"])
    if what == "lost":
        anchor.unlink()
    elif what == "spoilt":
        anchor.write_text("{}")
    elif what == "number":
        anchor.write_text(json.dumps({**json.loads(anchor.read_text()), "number": draw.choice([0, 3, 19, 21, 90])}))
    else:
        (home.root / "keys" / "installation.pem").unlink()
        create_key(home.root / "keys" / "installation.pem", None)
    return what


KINDS = [edit, edit_and_redo_digests, drop, reorder, truncate, duplicate, sign_again, replace_file, harm_outside]


@pytest.mark.parametrize("alter", KINDS, ids=lambda alter: alter.__name__)
def test_every_alteration_is_found(home: Home, filled: Ledger, alter: Callable[[Home, random.Random], str]) -> None:
    filled.engine.dispose()
    untouched = home.root.parent / "untouched"
    shutil.copytree(home.root, untouched)
    unseen = []
    for seed in range(-(-ALTERATIONS // len(KINDS))):
        shutil.rmtree(home.root)
        shutil.copytree(untouched, home.root)
        what = alter(home, random.Random(seed))
        ledger = open_ledger(home, None)
        if not verify_ledger(ledger, measure=measured(home)).findings:
            unseen.append(what)
        ledger.engine.dispose()
    assert unseen == []


def test_what_is_found_is_told_in_words(home: Home, filled: Ledger) -> None:
    with raw(home) as connection:
        connection.execute("UPDATE ledger_records SET content = '{}' WHERE number = 7")
        connection.execute("DELETE FROM ledger_records WHERE number IN (10, 11)")
        connection.execute("DELETE FROM ledger_records WHERE number > 18")
    told = says(filled)
    assert "record 7, a training of run:2, was altered after it was written" in told
    assert "records 10 to 11 are missing" in told
    assert "ends at record 18 and was acknowledged up to 20: its end was cut off" in told


def test_a_forged_record_at_the_end_is_found(home: Home, filled: Ledger) -> None:
    head = filled.head()
    assert head
    fields = {**head.model_dump(), "number": 21, "previous": head.digest, "content": {"forged": True}}
    with raw(home) as connection:
        connection.execute(
            "INSERT INTO ledger_records SELECT 21, time, kind, subject, ?, actor, NULL, NULL, ?, ?, installation, seal "
            "FROM ledger_records WHERE number = 20",
            [proof.canonical(fields["content"]).decode(), head.digest, proof.record_digest(fields)],
        )
    assert says(filled) == "record 21 lacks the seal of the installation: it was written past it"


def test_an_older_anchor_is_noticed(home: Home, ledger: Ledger) -> None:
    ledger.append("training", MODEL, {})
    old = ledger.installation.anchor_path.read_bytes()
    for _ in range(40):
        ledger.append("training", MODEL, {})
    assert says(ledger) == ""
    ledger.installation.anchor_path.write_bytes(old)
    assert "40 records behind" in says(ledger)


def test_a_key_exchanged_for_a_later_installation_is_found(home: Home, filled: Ledger) -> None:
    filled.installation.key_path.unlink()
    with pytest.raises(HematoVisionError, match="missing"):
        open_ledger(home, None).append("training", MODEL, {})
    create_key(filled.installation.key_path, None)
    with pytest.raises(HematoVisionError, match="not the key that wrote"):
        open_ledger(home, None).append("training", MODEL, {})
    assert "the key of this installation is not the one" in says(open_ledger(home, None))


def test_a_person_added_past_the_administrator_is_found(home: Home, filled: Ledger, tmp_path: Path) -> None:
    """Even with the installation's own key, which seals whatever is written."""
    create_key(tmp_path / "mallory.pem", None)
    mallory = load_key(tmp_path / "mallory.pem", None)
    mark = fingerprint(mallory)
    content = {"action": "add", "fingerprint": mark, "roles": ["lead"], **key_request(mallory, "Mallory").model_dump()}
    filled._refuse_unauthorised = lambda *_: None  # type: ignore[method-assign]
    filled.append("key", f"key:{mark}", content, actor="user:mallory")
    approval = {"action": "approve", "nonce": "1"}
    signature = sign(mallory, statement("decision", MODEL, approval))
    filled.append("decision", MODEL, approval, actor="Mallory", signature=signature)
    told = says(filled)
    assert "an administrator has to sign it, and none has" in told
    assert "its signer's key" in told and "was not known at that time" in told


def test_a_signature_after_revocation_or_repeated_is_found(filled: Ledger) -> None:
    decisions = {record.actor: record for record in filled.records(kind="decision")}
    filled._refuse_unauthorised = lambda *_: None  # type: ignore[method-assign]
    gone = decisions["Gone"]
    # the very same signature cannot stand twice in the table: a record of other words, and one without constraint
    content = {**gone.content, "nonce": "2"}
    forged = gone.signature.model_copy(update={"value": public_key(load_key(filled.installation.key_path, None))})  # type: ignore[union-attr]
    filled.append("decision", MODEL, content, actor="Gone", signature=forged)
    ada = decisions["Ada"]
    spelled = ada.signature.model_copy(update={"value": ada.signature.value.rstrip("=")})  # type: ignore[union-attr]
    filled.append("decision", MODEL, ada.content, actor="Ada", signature=spelled)
    told = says(filled)
    assert "the key of Gone was revoked before" in told
    assert "repeats the signature of record" in told
    assert "the signature is not that of Ada" in told


APPEND = """
import sys
from pathlib import Path
from hematovision.home import Home
from hematovision.ledger import open_ledger
ledger = open_ledger(Home(Path(sys.argv[1])), sys.argv[3] if len(sys.argv) > 3 else None)
number = 0
while number < int(sys.argv[2]):
    record = ledger.append("training", "run:%d" % number, {"n": number})
    print(record.number, flush=True)
    number += 1
"""


def appender(home: Home, count: int, *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", APPEND, str(home.root), str(count), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def acknowledged(process: "subprocess.Popen[str]") -> list[int]:
    return [int(line) for line in process.communicate(timeout=120)[0].split()]


def test_four_processes_append_side_by_side(home: Home) -> None:
    processes = [appender(home, 25) for _ in range(4)]
    numbers = [number for process in processes for number in acknowledged(process)]
    assert sorted(numbers) == list(range(2, 102))
    assert says(open_ledger(home, None)) == ""


@pytest.mark.parametrize("after", [1, 2, 3, 7, 20])
def test_a_killed_appender_leaves_a_ledger_that_verifies(home: Home, after: int) -> None:
    process = appender(home, 10_000)
    assert process.stdout
    seen = [int(process.stdout.readline()) for _ in range(after)]
    process.kill()
    seen += acknowledged(process)
    ledger = open_ledger(home, None)
    assert says(ledger) == ""
    head = ledger.head()
    assert head and head.number >= seen[-1]
    assert ledger.append("training", MODEL, {}).number == head.number + 1
    assert says(ledger) == ""


def moved(stage: str, before: str | None, after: str) -> dict[str, object]:
    return {"stage": stage, "name": "cells", "before": before, "after": after, "move": "m"}


@pytest.fixture
def registered(ledger: Ledger) -> Ledger:
    for version in ("1", "2"):
        ledger.append("registration", f"model:cells/{version}", {"model_digest": version * 64, "zenml_run": "r"})
        gates = [{"name": "floor.accuracy", "passed": version == "1"}]
        ledger.append("verdict", f"model:cells/{version}", {"passed": version == "1", "gates": gates})
    ledger.append("promotion", "model:cells/1", moved("intent", None, "1"))
    ledger.append("promotion", "model:cells/1", moved("done", None, "1"))
    return ledger


def facts(champion: str | None = "1", **changes: dict[str, str] | None) -> RegistryFacts:
    versions = {
        f"cells/{version}": {
            "model_digest": version * 64, "zenml_run": "r", "verdict": word, "gate.floor.accuracy": word
        }
        for version, word in (("1", "passed"), ("2", "failed"))
    }  # fmt: skip
    for version, tags in changes.items():
        name = f"cells/{version.removeprefix('v')}"
        if tags is None:
            versions.pop(name)
        else:
            versions[name] = {**versions.get(name, {}), **tags}
    return RegistryFacts(versions=versions, aliases={"cells": {"champion": champion} if champion else {}})


def test_a_registry_that_agrees_has_no_finding(registered: Ledger) -> None:
    assert says(registered, registry=facts()) == ""


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (facts(v1={"model_digest": "x"}), "tag model_digest of cells/1 is 'x'"),
        (facts(v2={"verdict": "passed"}), "tag verdict of cells/2 is 'passed', but record"),
        (facts(v2={"gate.floor.accuracy": "passed"}), "tag gate.floor.accuracy of cells/2 is 'passed'"),
        (facts(v2=None), "cells/2 was registered (record 4) and is gone"),
        (facts(v3={}), "cells/3 is in the registry without a record"),
        (facts(champion="2"), "the alias champion of cells is at version 2, but the ledger says 1"),
        (facts(champion=None), "the alias champion of cells is at version None, but the ledger says 1"),
    ],
)
def test_where_registry_and_ledger_differ_it_is_told(registered: Ledger, now: RegistryFacts, told: str) -> None:
    assert told in says(registered, registry=now)


def test_a_move_under_way_is_no_finding(registered: Ledger) -> None:
    registered.append("promotion", "model:cells/2", moved("intent", "1", "2"))
    assert says(registered, registry=facts(champion="1")) == ""
    assert says(registered, registry=facts(champion="2")) == ""
    registered.append("promotion", "model:cells/2", moved("undone", "1", "2"))
    assert "at version 2" in says(registered, registry=facts(champion="2"))


def test_an_alias_that_no_promotion_made_is_told(ledger: Ledger) -> None:
    now = RegistryFacts(versions={}, aliases={"cells": {"champion": "1"}})
    assert "the ledger says None" in says(ledger, registry=now)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "x\0y", ".", ""])
def test_an_artifact_outside_the_home_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HematoVisionError):
        inside(tmp_path, name)


def test_a_link_out_of_the_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "home" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(HematoVisionError):
        inside(tmp_path / "home", "link")


def test_the_database_url_is_the_homes(home: Home) -> None:
    assert database_url(None, home.databases / "ledger.db", named="records.database").endswith("records/ledger.db")
