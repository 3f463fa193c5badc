"""Review, promotion and rollback as typed, with their exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hematovision.home import PROJECT
from hematovision.ledger.records import Record
from hematovision.promotion.moves import begin, end, planned, read_history
from hematovision.registry.catalogue import set_alias
from hematovision.registry.versions import CHAMPION
from tests.promotion.paper_registry import NAME, Laboratory, key_of

pytestmark = pytest.mark.slow

Typed = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def typed(laboratory: Laboratory, tmp_path: Path) -> Typed:
    """A command in a process of its own: exit code, document, standard error."""
    config = tmp_path / "config.yaml"
    config.write_text(f"registry: {{model_name: {NAME}}}\n")
    environment = os.environ | {"HEMATOVISION_HOME": str(laboratory.home.root)}

    def run(*words: str, by: str | None = None) -> tuple[int, dict[str, Any], str]:
        if by:
            key = tmp_path / f"{by}.pem"
            key.write_bytes(key_of(by).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            environment["HEMATOVISION_KEY"] = str(key)
        command = [sys.executable, "-c", "from hematovision.cli import main; main()", *words, "--config", str(config)]
        done = subprocess.run([*command, "--json"], capture_output=True, text=True, env=environment, cwd=PROJECT)
        return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr

    return run


def test_two_reviewers_a_promotion_and_a_rollback(laboratory: Laboratory, typed: Typed) -> None:
    laboratory.register()
    said = ("--reason", "All mistakes seen.")
    code, document, _ = typed("promote", f"{NAME}/1")
    assert (code, document["error"]["kind"]) == (3, "GateRefused")
    assert typed("review", "approve", "1", *said, by="Emil")[0] == 3
    code, document, _ = typed("review", "approve", "1", *said, by="Ben")
    assert code == 0 and document["decision"]["content"]["meaning"].startswith("I approve this version for ")
    code, _, problem = typed("review", "approve", "1", *said, by="Fay")
    assert code == 2 and "name with --role" in problem
    assert typed("review", "approve", "1", *said, "--role", "engineer", by="Fay")[0] == 0
    assert typed("promote", "1")[1]["champion"] == "1"
    code, document, _ = typed("review", "list")
    assert [(one["model"], one["state"]) for one in document["versions"]] == [(f"{NAME}/1", "champion")]
    assert typed("rollback", *said, by="Ben")[0] == 3
    assert len(typed("review", "show", "1")[1]["gates"]) == 2


def test_an_interrupted_promotion_is_complete_after_any_command(laboratory: Laboratory, typed: Typed) -> None:
    laboratory.approve(laboratory.register().version)
    move = planned("promotion", NAME, None, "1", actor="user:anna", evidence={"decisions": [], "overridden": []})
    begin(laboratory.ledger, move, read_history(laboratory.ledger, NAME))
    set_alias(laboratory.home, NAME, CHAMPION, "1")
    laboratory.home.champion_moving.touch()
    code, _, told = typed("review", "list")
    assert code == 0 and f"interrupted and is complete now: {NAME}/1 is champion" in " ".join(told.split())
    last = read_history(laboratory.ledger, NAME).last
    assert isinstance(last, Record) and last.content["stage"] == "done"
    assert end(laboratory.ledger, move, "undone").number == last.number, "a move ends once"


def test_an_alias_moved_by_hand_is_refused_and_put_back(laboratory: Laboratory, typed: Typed) -> None:
    for version in ("1", "2"):
        laboratory.register(champion="1" if version == "2" else None)
        laboratory.approve(version)
    laboratory.promote("1")
    set_alias(laboratory.home, NAME, CHAMPION, "2")
    code, document, _ = typed("promote", "2")
    assert code == 3 and "promote --restore" in document["error"]["message"]
    assert typed("promote", "--restore")[1]["champion"] == "1" == laboratory.alias
