"""Appending: numbered, chained, once for each key, durable, and never behind a cut."""

from pathlib import Path

import pytest
from sqlalchemy import text

from hematovision.database import writing
from hematovision.errors import GateRefused, HematoVisionError, UsageError
from hematovision.home import Home
from hematovision.ledger import Ledger, Record, open_ledger, proof, sign, statement

MODEL = "model:hematovision/1"


def altered(ledger: Ledger, command: str) -> None:
    with writing(ledger.engine) as connection:
        connection.execute(text(command))


def test_nothing_is_there_before_the_first_append(ledger: Ledger) -> None:
    assert ledger.head() is None
    assert list(ledger.records()) == []


def test_records_follow_each_other(ledger: Ledger) -> None:
    for number in range(3):
        ledger.append("training", MODEL, {"n": number, "µ": [1.5, None, "κ"]}, actor="user:me")
    records = list(ledger.records())
    assert [record.number for record in records] == [1, 2, 3, 4]
    assert [record.previous for record in records] == [proof.FIRST, *(record.digest for record in records[:-1])]
    assert all(proof.record_digest(record.model_dump()) == record.digest for record in records)
    assert (records[0].kind, records[0].content["action"]) == ("key", "installation")
    assert records[1].content == {"n": 0, "µ": [1.5, None, "κ"]}
    assert ledger.head() == records[-1]


def test_what_is_written_is_read_by_another_ledger(home: Home, ledger: Ledger) -> None:
    written = ledger.append("evaluation", MODEL, {"accuracy": 0.1 + 0.2})
    assert open_ledger(home, None).head() == written


def test_records_are_chosen_by_kind_subject_and_time(ledger: Ledger) -> None:
    first = ledger.append("training", MODEL, {})
    second = ledger.append("evaluation", MODEL, {})
    ledger.append("training", "model:hematovision/2", {})
    assert [record.number for record in ledger.records(kind="training")] == [2, 4]
    assert list(ledger.records(subject=MODEL)) == [first, second]
    assert list(ledger.records(since=second.time, kind="evaluation")) == [second]
    assert [record.number for record in ledger.records(after=3)] == [4]


def test_a_second_append_with_a_key_returns_the_first(ledger: Ledger) -> None:
    first = ledger.append("training", MODEL, {"try": 1}, unique="run/train")
    assert ledger.append("training", MODEL, {"try": 2}, unique="run/train") == first
    assert ledger.head() == first
    with pytest.raises(UsageError, match="the key of record 2, a training"):
        ledger.append("evaluation", MODEL, {}, unique="run/train")


@pytest.mark.parametrize(
    ("kind", "subject", "content", "actor"),
    [
        ("gossip", MODEL, {}, "system"),
        ("training", "no colon", {}, "system"),
        ("training", "model:a\nb", {}, "system"),
        ("training", "model:" + "x" * 600, {}, "system"),
        ("training", MODEL, {"x": float("nan")}, "system"),
        ("training", MODEL, {"x": b"bytes"}, "system"),
        ("training", MODEL, {"x": {1: "a", "1": "b"}}, "system"),
        ("training", MODEL, {"x": "\ud800"}, "system"),
        ("training", MODEL, {"x": "y" * (1 << 20)}, "system"),
        ("training", MODEL, {}, ""),
        ("training", MODEL, {}, "me\0"),
        ("erasure", "image:" + "a" * 64, {"path": "patients/Miller.png"}, "system"),
        ("erasure", "image:Miller.png", {}, "system"),
    ],
)
def test_what_cannot_be_read_back_is_refused(
    ledger: Ledger, kind: str, subject: str, content: dict[str, object], actor: str
) -> None:
    with pytest.raises(UsageError):
        ledger.append(kind, subject, content, actor=actor)  # type: ignore[arg-type]
    assert ledger.head() is None


def test_an_erasure_keeps_the_hash(ledger: Ledger) -> None:
    digest = "ab" * 32
    record = ledger.append("erasure", f"image:{digest}", {"reason": "consent revoked", "models": [MODEL]})
    assert record.content == {"reason": "consent revoked", "models": [MODEL]}


def test_nothing_is_appended_to_a_ledger_that_was_cut_off(home: Home, ledger: Ledger) -> None:
    for _ in range(3):
        ledger.append("training", MODEL, {})
    altered(ledger, "DELETE FROM ledger_records WHERE number = 4")
    with pytest.raises(HematoVisionError, match="cut off"):
        open_ledger(home, None).append("training", MODEL, {})


def test_nothing_is_appended_where_the_anchor_or_the_key_is_lost(home: Home, ledger: Ledger) -> None:
    ledger.append("training", MODEL, {})
    kept = ledger.installation.anchor_path.read_bytes()
    ledger.installation.anchor_path.unlink()
    with pytest.raises(HematoVisionError, match="where it ends"):
        open_ledger(home, None).append("training", MODEL, {})
    ledger.installation.anchor_path.write_bytes(kept)
    ledger.installation.key_path.unlink()
    with pytest.raises(HematoVisionError, match=r"installation\.pem is missing"):
        open_ledger(home, None).append("training", MODEL, {})


def test_a_crash_before_the_anchor_is_completed_by_the_next_append(
    home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.append("training", MODEL, {}, unique="one")
    with monkeypatch.context() as crash:
        crash.setattr(ledger.installation, "advance", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            ledger.append("training", MODEL, {}, unique="two")
    after = open_ledger(home, None)
    anchor = after.anchor()
    assert anchor and anchor.number == 2
    assert after.append("training", MODEL, {}, unique="two").number == 3
    anchor = after.anchor()
    assert anchor and anchor.number == 3


def test_a_crash_in_the_very_first_append_is_no_loss(
    home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = ledger.installation.advance

    def killed(number: int, digest: str) -> None:
        if number:
            raise OSError("killed")
        advance(number, digest)

    monkeypatch.setattr(ledger.installation, "advance", killed)
    with pytest.raises(OSError, match="killed"):
        ledger.append("training", MODEL, {})
    assert open_ledger(home, None).append("training", MODEL, {}).number == 3


def decision(meaning: str = "approve") -> tuple[str, dict[str, str]]:
    return MODEL, {"action": meaning, "nonce": "1"}


def test_a_decision_is_signed_by_somebody_known(ledger: Ledger, person) -> None:  # type: ignore[no-untyped-def]
    ada = person("Ada")
    subject, content = decision()
    signature = sign(ada, statement("decision", subject, content))
    record = ledger.append("decision", subject, content, actor="Ada", signature=signature)
    assert isinstance(record, Record) and record.signature == signature


def test_a_decision_that_is_not_theirs_is_refused(ledger: Ledger, person) -> None:  # type: ignore[no-untyped-def]
    ada, bob = person("Ada"), person("Bob")
    subject, content = decision()
    signature = sign(ada, statement("decision", subject, content))
    forged = sign(bob, statement("decision", subject, content)).value
    for actor, changed, shown, says in (
        ("Ada", content, None, "no signature"),
        ("Bob", content, signature, "names Bob and is signed by Ada"),
        ("Ada", content | {"action": "override"}, signature, "another statement"),
        ("Ada", content, signature.model_copy(update={"value": forged}), "not that of Ada"),
    ):
        with pytest.raises(GateRefused, match=says):
            ledger.append("decision", subject, changed, actor=actor, signature=shown)
    with pytest.raises(GateRefused, match="another statement"):
        ledger.append("decision", "model:hematovision/2", content, actor="Ada", signature=signature)


def test_a_signature_counts_once(ledger: Ledger, person) -> None:  # type: ignore[no-untyped-def]
    ada = person("Ada")
    subject, content = decision()
    signature = sign(ada, statement("decision", subject, content))
    first = ledger.append("decision", subject, content, actor="Ada", signature=signature, unique="ada-1")
    with pytest.raises(GateRefused, match="used before"):
        ledger.append("decision", subject, content, actor="Ada", signature=signature)
    assert ledger.append("decision", subject, content, actor="Ada", signature=signature, unique="ada-1") == first


def test_the_anchor_is_beside_the_database_wherever_that_is(home: Home, tmp_path: Path) -> None:
    elsewhere = open_ledger(home, f"sqlite:///{tmp_path / 'x' / 'all.db'}".replace("/x/", "/"))
    elsewhere.append("training", MODEL, {})
    assert (tmp_path / "all.db.head").is_file()
