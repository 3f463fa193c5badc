"""Registrations, verdicts, decisions, promotions and rollbacks ended by `kill -9` at chosen points.

Run as `python -m tests.promotion.killing FOLDER POINTS [moves|registrations|decisions]`. Everything is imported once,
then a process is forked for every kill and another one, which is the next start, for looking at what the kill left.
Prints one JSON document.
"""

import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from sqlalchemy import event
from sqlalchemy.engine import Engine

from hematovision.home import PROJECT

os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
WATCHED = tuple(str(PROJECT / "hematovision" / part) for part in ("promotion", "ledger", "registry", "database.py"))
STATEMENTS = ("before_cursor_execute", "after_cursor_execute", "commit", "rollback")
DECISIVE = ("_carry_out", "finish_registration", "keep_verdict", "record_decision", "show")
BEFORE = 80
"""So many steps before the first decisive one are killed as densely: there a version appears."""


class Scenario(Protocol):
    """Something to be killed; `root` is a home of its own, made by `prepare` and brought back after every kill."""

    name: str

    def prepare(self, root: Path) -> None:
        """What has happened before."""
        ...

    def move(self, root: Path) -> Any:
        """What is killed."""
        ...

    def examine(self, root: Path) -> dict[str, Any]:
        """What the kill left, and what the next start makes of it: `outcome` and `problems`."""
        ...


class Steps:
    """Counts every line of the watched files and every statement of every database; may kill at one of them."""

    def __init__(self, fatal: int | None) -> None:
        self.fatal, self.passed = fatal, 0
        self.moving: list[int] = []

    def step(self) -> None:
        self.passed += 1
        if self.passed == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def trace(self, frame: FrameType, what: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(WATCHED):
            return None
        if what == "line":
            self.step()
        if frame.f_code.co_name in DECISIVE and what in ("call", "return"):
            self.moving.append(self.passed)
        return self.trace

    def watch(self) -> None:
        for name in STATEMENTS:
            event.listen(Engine, name, lambda *_, **__: self.step())
        sys.settrace(self.trace)


def _forked(work: Callable[[], Any]) -> tuple[int, Any]:
    """Run in a forked process; its wait status, and what it gave back where it ended by itself."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            with os.fdopen(writer, "w") as told:
                json.dump(work(), told)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as heard:
        text = heard.read()
    status = os.waitpid(child, 0)[1]
    return status, json.loads(text) if status == 0 else None


def _at(root: Path, work: Callable[[Path], Any]) -> Any:
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{root / 'mlflow.db'}"
    return work(root)


def _counted(scenario: Scenario, root: Path, fatal: int | None) -> dict[str, Any]:
    steps = Steps(fatal)
    steps.watch()
    _at(root, scenario.move)
    sys.settrace(None)
    return {"steps": steps.passed, "moving": [max(1, min(steps.moving) - BEFORE), max(steps.moving)]}


def _points(steps: int, moving: Sequence[int], count: int) -> list[int]:
    """A quarter spread over everything, the rest over what decides."""
    few = max(1, count // 4)
    spread = [1 + round(place * (steps - 1) / max(1, few - 1)) for place in range(few)]
    step = (moving[1] - moving[0]) / max(1, count - few - 1)
    dense = [moving[0] + round(place * step) for place in range(count - few)]
    return sorted({*spread, *dense})


def kill_all(folder: Path, points: int, scenarios: Sequence[Scenario]) -> dict[str, Any]:
    """Kill every scenario at as many points; what was found wrong, and how often which outcome was left."""
    outcomes: dict[str, Counter[str]] = {}
    problems: list[str] = []
    killed: Counter[str] = Counter()
    for scenario in scenarios:
        root, kept = (folder / f"{scenario.name.replace(' ', '-')}{suffix}" for suffix in ("", "-kept"))
        assert _forked(lambda: _at(root, scenario.prepare))[0] == 0  # noqa: B023 - called at once
        shutil.copytree(root, kept)
        status, counted = _forked(lambda: _counted(scenario, root, None))  # noqa: B023
        assert status == 0
        left = outcomes.setdefault(scenario.name, Counter())
        for point in _points(counted["steps"], counted["moving"], points // len(scenarios)):
            _restore(root, kept)
            status, _ = _forked(lambda: _counted(scenario, root, point))  # noqa: B023
            assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"{scenario.name} was not killed at {point}"
            killed[scenario.name] += 1
            status, found = _forked(lambda: _at(root, scenario.examine))  # noqa: B023
            told = found["problems"] if status == 0 else ["the next start failed"]
            problems += [f"{scenario.name} killed at {point} of {counted['steps']}: {problem}" for problem in told]
            left[found["outcome"] if found else "failed"] += 1
            sys.stderr.write(f"{scenario.name}: {killed[scenario.name]} kills, {dict(left)}, problems: {told}\n")
    return {"killed": sum(killed.values()), "kills": killed, "outcomes": outcomes, "problems": problems}


def _restore(root: Path, kept: Path) -> None:
    """As it was, and where it was: MLflow writes the absolute place of every artifact into its database."""
    shutil.rmtree(root)
    shutil.copytree(kept, root)


def found_true(problems: dict[str, bool]) -> list[str]:
    """The problems there are."""
    return [problem for problem, found in problems.items() if found]


def main(folder: Path, points: int, which: str | None) -> dict[str, Any]:
    """Kill moves and registrations, or one of them; two fifths of the points each, the rest decisions and cards."""
    from tests.promotion.killed_moves import MOVES, warm_up
    from tests.promotion.killed_registrations import DECISIONS, REGISTRATIONS

    warm_up(folder / "warming")
    shares = {"moves": (2 / 5, MOVES), "registrations": (2 / 5, REGISTRATIONS), "decisions": (1 / 5, DECISIONS)}
    chosen = {which: (1.0, shares[which][1])} if which else shares
    parts = [kill_all(folder, round(points * share), scenarios) for share, scenarios in chosen.values()]
    return {
        "killed": sum(part["killed"] for part in parts),
        "kills": {name: count for part in parts for name, count in part["kills"].items()},
        "outcomes": {name: count for part in parts for name, count in part["outcomes"].items()},
        "problems": [problem for part in parts for problem in part["problems"]],
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:4] or [None])))  # noqa: T201
