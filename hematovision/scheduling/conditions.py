"""What must hold for a due schedule to run: asked of callables that the command line hands in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from hematovision.scheduling.schedule import Schedule


@dataclass(frozen=True)
class Finding:
    """Whether a condition holds, and the sentence that says so."""

    met: bool
    says: str


# Given the limit and when the schedule's last good run began (None: never).
Question = Callable[[float, datetime | None], Finding]
Questions = Mapping[str, Question]


def ask(schedule: Schedule, since: datetime | None, questions: Questions) -> Finding:
    """Whether a schedule may run, and why (not)."""
    if not schedule.conditions:
        return Finding(True, "no conditions")
    findings = [questions[condition.name](condition.limit, since) for condition in schedule.conditions]
    enough = any if schedule.any_condition else all
    return Finding(enough(found.met for found in findings), "; ".join(found.says for found in findings))
