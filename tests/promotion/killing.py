"""Promotions and rollbacks ended by `kill -9` at chosen points, each in a process of its own.

Run as `python -m tests.promotion.killing FOLDER POINTS`: everything is imported once, then a process is forked for
every kill and another one, which is the next start, for looking at what the kill left. Prints one JSON document.
"""

import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from hematovision.home import PROJECT
from hematovision.promotion.champion import champion, settle
from hematovision.promotion.moves import read_history
from hematovision.registry.catalogue import list_versions
from tests.promotion.paper_registry import NAME, Laboratory, open_laboratory, prepare_laboratory

WATCHED = tuple(str(PROJECT / "hematovision" / part) for part in ("promotion", "ledger", "registry", "database.py"))
STATEMENTS = ("before_cursor_execute", "after_cursor_execute", "commit", "rollback")


@dataclass(frozen=True)
class Scenario:
    """A move to be killed: what has happened before it, who serves before and after it."""

    name: str
    prepare: Callable[[Laboratory], None]
    move: Callable[[Laboratory], Any]
    before: str | None
    after: str


def _one_approved(laboratory: Laboratory) -> None:
    laboratory.approve(laboratory.register().version)


def _one_serves_and_one_is_approved(laboratory: Laboratory) -> None:
    _one_approved(laboratory)
    laboratory.promote("1")
    laboratory.approve(laboratory.register(champion="1").version)


def _two_have_served(laboratory: Laboratory) -> None:
    _one_serves_and_one_is_approved(laboratory)
    laboratory.promote("2")


SCENARIOS = (
    Scenario("the first promotion", _one_approved, lambda laboratory: laboratory.promote("1"), None, "1"),
    Scenario("a promotion", _one_serves_and_one_is_approved, lambda laboratory: laboratory.promote("2"), "1", "2"),
    Scenario("a rollback", _two_have_served, lambda laboratory: laboratory.roll_back("Ben", "1"), "2", "1"),
)


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
        if frame.f_code.co_name == "_carry_out" and what in ("call", "return"):
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


def _enter(root: Path) -> Laboratory:
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{root / 'mlflow.db'}"
    return open_laboratory(root)


def _prepare(scenario: Scenario, root: Path) -> None:
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{root / 'mlflow.db'}"
    scenario.prepare(prepare_laboratory(root))


def _move(scenario: Scenario, root: Path, fatal: int | None) -> dict[str, Any]:
    laboratory, steps = _enter(root), Steps(fatal)
    steps.watch()
    scenario.move(laboratory)
    sys.settrace(None)
    return {"steps": steps.passed, "moving": [min(steps.moving), max(steps.moving)]}


def _examine(scenario: Scenario, root: Path) -> dict[str, Any]:
    """What the kill left, then what the next start makes of it, and whether the move can be made after all."""
    laboratory = _enter(root)
    left, agreed = laboratory.alias, champion(laboratory.home, NAME)
    settle(laboratory.home)
    history, settled = read_history(laboratory.ledger, NAME), champion(laboratory.home, NAME)
    serving = [
        version.version for version in list_versions(laboratory.home, NAME) if version.tags["standing"] == "champion"
    ]
    problems = [
        problem
        for problem, found in {
            f"{left} served after the kill": left not in (scenario.before, scenario.after) or left != agreed,
            f"alias {laboratory.alias}, ledger {history.champion}": laboratory.alias != history.champion,
            f"{settled} serves, {left} was left": settled != left,
            "a move has no end": history.unfinished is not None,
            "the mark is still there": laboratory.home.champion_moving.exists(),
            f"the tags say that {serving} serve": serving != [settled] * (settled is not None),
        }.items()
        if found
    ]
    if settled != scenario.after:
        scenario.move(laboratory)
    if not champion(laboratory.home, NAME) == laboratory.alias == scenario.after:
        problems.append("the move could not be made afterwards")
    return {"outcome": "new" if left == scenario.after else "old", "problems": problems}


def _warm_up(root: Path) -> None:
    """Import whatever a move imports, once for all the processes to be forked."""
    first = SCENARIOS[0]
    _prepare(first, root)
    _examine(first, root)


def _points(steps: int, moving: Sequence[int], count: int) -> list[int]:
    """A quarter spread over everything, the rest over the move itself."""
    few = max(1, count // 4)
    spread = [1 + round(place * (steps - 1) / max(1, few - 1)) for place in range(few)]
    dense = [moving[0] + round(place * (moving[1] - moving[0]) / (count - few - 1)) for place in range(count - few)]
    return sorted({*spread, *dense})


def kill_all(folder: Path, points: int) -> dict[str, Any]:
    """Kill each scenario at a third of the points; what was found wrong, and how often old or new was left."""
    _warm_up(folder / "warming")
    outcomes: Counter[str] = Counter()
    problems: list[str] = []
    killed = 0
    for scenario in SCENARIOS:
        template = folder / scenario.name.replace(" ", "-")
        assert _forked(lambda: _prepare(scenario, template))[0] == 0  # noqa: B023 - called at once
        status, counted = _forked(lambda: _move(scenario, _copy(template, "counting"), None))  # noqa: B023
        assert status == 0
        for point in _points(counted["steps"], counted["moving"], points // len(SCENARIOS)):
            root = _copy(template, str(point))
            status, _ = _forked(lambda: _move(scenario, root, point))  # noqa: B023
            assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, f"{scenario.name} was not killed at {point}"
            killed += 1
            status, found = _forked(lambda: _examine(scenario, root))  # noqa: B023
            told = found["problems"] if status == 0 else ["the next start failed"]
            problems += [f"{scenario.name} killed at {point} of {counted['steps']}: {problem}" for problem in told]
            outcomes[found["outcome"] if found else "failed"] += 1
            shutil.rmtree(root)
    return {"killed": killed, "outcomes": outcomes, "problems": problems}


def _copy(template: Path, name: str) -> Path:
    root = template.parent / f"{template.name}-{name}"
    shutil.copytree(template, root, ignore=shutil.ignore_patterns("paper", "mlflow-artifacts"))
    return root


if __name__ == "__main__":
    print(json.dumps(kill_all(Path(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201
