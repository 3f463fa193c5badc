"""What README and docs tell people to type is what the commands take."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from hematovision.cli.application import app
from hematovision.home import PROJECT

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
TYPED = re.compile(r"^(?: {4}|(?:refused|.*&&|.*;) )?\s*(hematovision [a-z].*)$")


def blocks(text: str) -> Iterator[str]:
    """Lines of fenced or indented code, continued lines joined."""
    fenced = False
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line


def documented() -> list[tuple[str, str]]:
    """Commands that can be typed as they stand: no alternatives, no words left out."""
    return [
        (page.name, typed.split(" #")[0].split(" | ")[0].split(" |")[0].split(" && ")[0].split("; done")[0].strip())
        for page in PAGES
        for line in blocks(page.read_text(encoding="utf-8"))
        if (found := TYPED.match(line)) and not set("…[$") & set((typed := found.group(1)).split(" #")[0])
    ]


COMMANDS = documented()


def parse(words: list[str]) -> None:
    """Raises where a command or an option is unknown or something is missing; nothing is run."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, words)


def test_there_are_enough() -> None:
    assert len(COMMANDS) > 40


@pytest.mark.parametrize(("page", "typed"), COMMANDS, ids=[f"{page}: {typed}" for page, typed in COMMANDS])
def test_a_documented_command_is_taken(page: str, typed: str) -> None:
    parse(shlex.split(typed)[1:])


def test_a_wrong_option_is_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["run", "--no-such-thing"])
