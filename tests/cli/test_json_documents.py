"""Every command prints one JSON document when asked to, and docs/json.md says what is in each."""

import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from hematovision.cli.application import app
from hematovision.home import PROJECT


def commands(node: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that `--help` shows by its words, `data generate` say."""
    found = getattr(node or get_command(app), "commands", None)
    if found is None:
        if not node.hidden:
            yield " ".join(path), node
        return
    for name, below in found.items():
        yield from commands(below, (*path, name))


def documented() -> set[str]:
    """The commands of the table; a name alone is of the noun before it."""
    rows = re.findall(r"^\| (`.*?`) \| ", (PROJECT / "docs" / "json.md").read_text(encoding="utf-8"), re.MULTILINE)
    told, real = set(), {name for name, _ in commands()}
    for row in rows:
        noun = ""
        for words in re.findall(r"`([a-z -]+?)(?: --[a-z]+)?`", row):
            told.add(words if words in real or not noun else f"{noun} {words}")
            noun = words.split()[0] if " " in words else noun
    return told


def test_every_command_takes_json() -> None:
    without = [name for name, command in commands() if not any("--json" in option.opts for option in command.params)]
    assert without == []


def test_the_document_of_every_command_is_described() -> None:
    assert {name for name, _ in commands()} - documented() == set()


def test_nothing_else_is_described() -> None:
    assert documented() - {name for name, _ in commands()} == set()
