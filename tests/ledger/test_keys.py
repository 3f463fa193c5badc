"""Keys: kept safe, never replaced, proven by their owners, and ruled by administrators where there are any."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hematovision.errors import GateRefused, UsageError
from hematovision.ledger import (
    KeyRequest,
    Ledger,
    add_reviewer,
    create_key,
    key_request,
    load_key,
    own_key_path,
    reviewers,
    revoke_reviewer,
    sign,
    statement,
    verify,
)
from hematovision.ledger.keys import fingerprint


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "key.pem"


def test_a_key_is_for_its_owner_alone(path: Path) -> None:
    mark = create_key(path, None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert fingerprint(load_key(path, None)) == mark
    assert [file.name for file in path.parent.iterdir()] == ["key.pem"]
    with pytest.raises(UsageError, match="never replaced"):
        create_key(path, None)
    assert fingerprint(load_key(path, None)) == mark


def test_a_passphrase_is_needed(path: Path) -> None:
    create_key(path, b"secret")
    assert b"ENCRYPTED" in path.read_bytes()
    load_key(path, b"secret")
    for wrong in (None, b"other"):
        with pytest.raises(UsageError, match="HEMATOVISION_KEY_PASSPHRASE"):
            load_key(path, wrong)


def test_no_key_is_a_clear_error(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="reviewers key"):
        load_key(path, None)
    (tmp_path / "text.pem").write_text("nothing")
    with pytest.raises(UsageError, match="cannot be opened"):
        load_key(tmp_path / "text.pem", None)


def test_the_place_of_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEMATOVISION_KEY", "~/mine.pem")
    assert own_key_path() == Path.home() / "mine.pem"
    monkeypatch.delenv("HEMATOVISION_KEY")
    assert own_key_path() == Path.home() / ".config" / "hematovision" / "key.pem"


def test_reviewers_are_added_and_revoked(ledger: Ledger, person) -> None:  # type: ignore[no-untyped-def]
    assert reviewers(ledger) == {}
    ada = person("Ada", "pathologist", "lead")
    revoke_reviewer(ledger, fingerprint(ada), "left", actor="user:someone")
    person("Bob")
    people = list(reviewers(ledger).values())
    assert [(one.name, one.roles, one.revoked) for one in people] == [
        ("Ada", ["lead", "pathologist"], True),
        ("Bob", ["pathologist"], False),
    ]
    signed = statement("decision", "model:a/1", {"nonce": "1"})
    with pytest.raises(GateRefused, match="revoked"):
        verify(sign(ada, signed), signed, people[0])
    with pytest.raises(GateRefused, match="revoked before"):
        ledger.append("decision", "model:a/1", {"nonce": "1"}, actor="Ada", signature=sign(ada, signed))
    with pytest.raises(GateRefused, match="known already"):
        add_reviewer(ledger, key_request(ada, "Ada"), ["lead"], actor="user:someone")


def test_nobody_takes_the_name_or_key_of_another(ledger: Ledger, person, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    ada = person("Ada")
    create_key(tmp_path / "mallory.pem", None)
    mallory = load_key(tmp_path / "mallory.pem", None)
    with pytest.raises(GateRefused, match="another key that is still valid"):
        add_reviewer(ledger, key_request(mallory, "Ada"), ["lead"], actor="user:mallory")
    stolen = key_request(ada, "Ada").model_copy(update={"name": "Mallory"})
    with pytest.raises(GateRefused, match="known already"):
        add_reviewer(ledger, stolen, ["lead"], actor="user:mallory")
    unproven = KeyRequest(name="M", public_key=key_request(mallory, "M").public_key, proof=stolen.proof)
    with pytest.raises(GateRefused, match="nothing proves"):
        add_reviewer(ledger, unproven, ["lead"], actor="user:mallory")
    for name in ("system", "user:ada", " "):
        with pytest.raises(UsageError, match="cannot be called"):
            add_reviewer(ledger, key_request(mallory, name), ["lead"], actor="user:mallory")
    with pytest.raises(UsageError, match="role"):
        add_reviewer(ledger, key_request(mallory, "Mallory"), [], actor="user:mallory")


def test_where_there_is_an_administrator_they_sign(ledger: Ledger, person) -> None:  # type: ignore[no-untyped-def]
    boss = person("Boss", "administrator")
    with pytest.raises(GateRefused, match="an administrator has to sign"):
        person("Ada")
    bob = person("Bob", administrator=boss)
    with pytest.raises(GateRefused, match="an administrator has to sign"):
        person("Cleo", administrator=bob)
    with pytest.raises(GateRefused, match="an administrator has to sign"):
        revoke_reviewer(ledger, fingerprint(boss), "coup", actor="user:bob", administrator=bob)
    revoke_reviewer(ledger, fingerprint(bob), "left", actor="user:boss", administrator=boss)
    assert [one.revoked for one in reviewers(ledger).values()] == [False, True]


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3), st.text(max_size=5))
def test_a_signature_holds_for_its_statement_alone(content: dict[str, object], more: str) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from hematovision.ledger import Reviewer
    from hematovision.ledger.keys import public_key

    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    ada = Reviewer(name="Ada", roles=[], public_key=public_key(key), fingerprint=fingerprint(key), revoked=False)
    signed = statement("decision", "model:a/1", content)
    signature = sign(key, signed)
    verify(signature, signed, ada)
    for other in (
        statement("decision", "model:a/2", content),
        statement("promotion", "model:a/1", content),
        statement("decision", "model:a/1", {**content, "extra" + more: 1}),
    ):
        with pytest.raises(GateRefused):
            verify(signature, other, ada)
