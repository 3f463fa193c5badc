"""What reaches the terminal: results on standard output, everything else on standard error, problems as exit codes."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hematovision.errors import HematoVisionError

if TYPE_CHECKING:
    from hematovision.home import Home

SCHEMA = 1


class Output:
    """Standard output, kept for the result alone: what libraries print goes to standard error."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.told = False
        sys.stdout.flush()
        self._result = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def result(self, document: Mapping[str, Any], show: Callable[[Any, Any], None]) -> None:
        """Print the one document, or let `show` draw it on a rich console."""
        self.told = True
        if self.as_json:
            json.dump({"schema": SCHEMA, **document}, self._result, ensure_ascii=False, allow_nan=False)
            self._result.write("\n")
        else:
            from rich.console import Console

            show(Console(file=self._result), document)
        self._result.flush()


def complain(message: str) -> None:
    """One problem, on standard error."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text.assemble(("Error: ", "bold red"), message))


def _settle(home: "Home") -> None:
    """Complete or undo what a kill interrupted; where nothing was, two looks at the disk."""
    if not home.champion_moving.exists() and not any(home.unfinished.glob("*.json")):
        return
    from hematovision.config import load_config
    from hematovision.promotion.recovery import recover

    for told in recover(home, database=load_config().records.database):
        complain(told)


@contextmanager
def command(as_json: bool) -> Iterator[Output]:
    """The frame of every command: activates the home, turns problems into messages and exit codes.

    Exit codes: 0 done, 1 a failure of ours, 2 wrong usage, 3 a gate refused, 130 interrupted.
    """
    import typer

    output = Output(as_json)
    try:
        from hematovision.home import activate_home

        _settle(activate_home())
        yield output
    except HematoVisionError as error:
        complain(str(error))
        if as_json and not output.told:
            output.result({"error": {"kind": type(error).__name__, "message": str(error)}}, lambda *_: None)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        complain("interrupted; run the command again and finished steps are not repeated.")
        raise typer.Exit(130) from None
