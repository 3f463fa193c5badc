"""Progress bars with the time left, on standard error, shared by everything that runs at the same time."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID

Progress = Callable[[int, int], None]
"""Told of work under way: (done, total)."""

_lock = threading.Lock()
_shared: "Display | None" = None
_users = 0
_tasks: "dict[str, TaskID]" = {}


def _new_display() -> "Display":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    console = Console(file=sys.__stderr__)
    return Display(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


@contextmanager
def progress_bar(description: str) -> Iterator[Progress]:
    """A bar for one piece of work; yields `report(done, total)`. Silent where standard error is no terminal."""
    global _shared, _users
    with _lock:
        if _shared is None:
            _shared = _new_display()
            _shared.start()
        _users += 1
        display = _shared
        task = _tasks[description] = display.add_task(description, total=None)
    try:
        yield lambda done, total: display.update(task, completed=done, total=total)
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                display.stop()
                _shared = None
                _tasks.clear()


def set_progress(description: str, done: int, total: int) -> None:
    """Set a bar that is open elsewhere in this process; nothing where there is none."""
    with _lock:
        if _shared is not None and description in _tasks:
            _shared.update(_tasks[description], completed=done, total=total)


def advance(description: str, by: int) -> None:
    """Move a bar that is open elsewhere in this process; nothing where there is none."""
    with _lock:
        if _shared is not None and description in _tasks:
            _shared.advance(_tasks[description], by)
