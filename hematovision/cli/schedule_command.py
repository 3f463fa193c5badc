"""Which commands a schedule may run: those of `hematovision` that end by themselves, with options they know."""

from collections.abc import Sequence
from typing import Any

import typer
from typer.main import get_command

from hematovision.errors import UsageError

UNENDING = "it runs until it is stopped: let the system keep it"
A_PERSON = "a person decides that, each time"
NEVER_SCHEDULED = {
    "schedule": "a schedule does not change schedules",
    "ui": UNENDING,
    "serve": UNENDING,
    "review": A_PERSON,
    "reviewers": A_PERSON,
    "keys": A_PERSON,
    "promote": A_PERSON,
    "rollback": A_PERSON,
}


def check_command(command: Sequence[str]) -> None:
    """Parse a command as it will be parsed when it runs; nothing is started.

    Raises:
        UsageError: it is not known, its options are wrong, or it may not be scheduled.
    """
    parse_command(command)


def parse_command(command: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """A command's full name and its parameters.

    Raises:
        UsageError: as `check_command`.
    """
    from hematovision.cli.application import app

    known, rest, path = get_command(app), list(command), []
    while commands := getattr(known, "commands", None):
        name = rest.pop(0) if rest else ""
        path.append(name)
        if name not in commands:
            raise UsageError(
                f"{' '.join(path).strip() or 'nothing'!r} is no command of hematovision. Give one after two dashes, "
                f"without the program: `… -- run --data PATH`. Known: {', '.join(sorted(commands))}."
            )
        if len(path) == 1 and name in NEVER_SCHEDULED:
            raise UsageError(f"`hematovision {name}` cannot be scheduled: {NEVER_SCHEDULED[name]}.")
        known = commands[name]
    return " ".join(path), _parameters(known, path, rest)


def _parameters(known: Any, path: list[str], rest: list[str]) -> dict[str, Any]:
    if "--help" in rest:
        raise UsageError("A schedule that shows help does nothing.")
    try:
        return dict(known.make_context(" ".join(path), rest).params)
    except typer.TyperException as error:
        raise UsageError(f"`hematovision {' '.join(path)}` would refuse this: {error.format_message()}") from error
