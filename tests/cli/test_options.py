"""Every command, found by walking the application: what it can be asked, whatever its noun."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from hematovision.cli.application import app

READ_NO_SETTINGS = {"reviewers key"}
"""It makes a key on the reviewer's own machine."""


def commands(group: Any, *words: str) -> Iterator[tuple[str, TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, *words, name)
        elif not command.hidden:
            yield " ".join((*words, name)), command


ALL = dict(commands(typer.main.get_command(app)))


def options(command: TyperCommand) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def test_there_are_commands() -> None:
    assert {"run", "data pin", "review approve", "audit verify", "schedule daemon"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_every_command_takes_settings_and_speaks_json(name: str) -> None:
    asked = options(ALL[name])
    assert "--json" in asked
    assert ("--config" in asked) != (name in READ_NO_SETTINGS)


@pytest.mark.parametrize("name", ALL)
def test_every_command_says_what_it_does(name: str) -> None:
    assert (ALL[name].help or "").strip()
