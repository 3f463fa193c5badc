"""Promotions and rollbacks of versions on paper, to be killed."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hematovision.promotion.champion import champion
from hematovision.promotion.moves import read_history
from hematovision.promotion.recovery import recover
from hematovision.registry.catalogue import list_versions
from tests.promotion.killing import found_true
from tests.promotion.paper_registry import NAME, Laboratory, open_laboratory, prepare_laboratory


@dataclass(frozen=True)
class Change:
    """A move to be killed: what has happened before it, who serves before and after it."""

    name: str
    before_it: Callable[[Laboratory], None]
    it: Callable[[Laboratory], Any]
    before: str | None
    after: str

    def prepare(self, root: Path) -> None:
        self.before_it(prepare_laboratory(root))

    def move(self, root: Path) -> None:
        self.it(open_laboratory(root))

    def examine(self, root: Path) -> dict[str, Any]:
        """What the kill left, then what the next start makes of it, and whether the move can be made after all."""
        laboratory = open_laboratory(root)
        left, agreed = laboratory.alias, champion(laboratory.home, NAME)
        list(recover(laboratory.home, database=None))
        history, settled = read_history(laboratory.ledger, NAME), champion(laboratory.home, NAME)
        versions = list_versions(laboratory.home, NAME)
        serving = [one.version for one in versions if one.tags["standing"] == "champion"]
        problems = found_true(
            {
                f"{left} served after the kill": left not in (self.before, self.after) or left != agreed,
                f"alias {laboratory.alias}, ledger {history.champion}": laboratory.alias != history.champion,
                f"{settled} serves, {left} was left": settled != left,
                "a move has no end": history.unfinished is not None,
                "the mark is still there": laboratory.home.champion_moving.exists(),
                f"the tags say that {serving} serve": serving != [settled] * (settled is not None),
            }
        )
        if settled != self.after:
            self.it(laboratory)
        if not champion(laboratory.home, NAME) == laboratory.alias == self.after:
            problems.append("the move could not be made afterwards")
        return {"outcome": "new" if left == self.after else "old", "problems": problems}


def _one_approved(laboratory: Laboratory) -> None:
    laboratory.approve(laboratory.register().version)


def _one_serves_and_one_is_approved(laboratory: Laboratory) -> None:
    _one_approved(laboratory)
    laboratory.promote("1")
    laboratory.approve(laboratory.register(champion="1").version)


def _two_have_served(laboratory: Laboratory) -> None:
    _one_serves_and_one_is_approved(laboratory)
    laboratory.promote("2")


MOVES = (
    Change("the first promotion", _one_approved, lambda laboratory: laboratory.promote("1"), None, "1"),
    Change("a promotion", _one_serves_and_one_is_approved, lambda laboratory: laboratory.promote("2"), "1", "2"),
    Change("a rollback", _two_have_served, lambda laboratory: laboratory.roll_back("Ben", "1"), "2", "1"),
)


def warm_up(root: Path) -> None:
    """Import whatever a move imports, once for all the processes to be forked."""
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{root / 'mlflow.db'}"
    MOVES[0].prepare(root)
    MOVES[0].examine(root)
