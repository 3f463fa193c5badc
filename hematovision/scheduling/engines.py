"""One interface, two engines: the daemons of this store, or an orchestrator that keeps the schedule itself."""

from datetime import datetime
from typing import Protocol

from hematovision.errors import UsageError
from hematovision.scheduling.schedule import Schedule
from hematovision.scheduling.store import ScheduleStore


class Orchestrator(Protocol):
    """An engine outside; handed in, as this room knows no ZenML."""

    def add(self, schedule: Schedule) -> str:
        """Hand a schedule over; gives the orchestrator's own id."""

    def set_active(self, number: str, active: bool) -> None:
        """Stop firing, or go on."""

    def remove(self, number: str) -> None:
        """Take it away."""


def check_for_orchestrator(schedule: Schedule) -> None:
    """Whether an orchestrator could keep a schedule.

    Raises:
        UsageError: it asks for what only the embedded engine can do.
    """
    if schedule.conditions:
        raise UsageError(
            "An orchestrator starts a pipeline without asking for conditions: leave them out, or --engine embedded."
        )
    if schedule.cron is not None and schedule.timezone != "UTC":
        raise UsageError(
            f"An orchestrator reads --cron in UTC, not in {schedule.timezone}: give it in UTC, or --engine embedded."
        )


def add(store: ScheduleStore, schedule: Schedule, orchestrator: Orchestrator) -> Schedule:
    """Keep a schedule with its engine.

    Raises:
        UsageError: the name is taken, or the engine cannot keep it.
    """
    if schedule.engine == "embedded":
        return store.add(schedule)
    check_for_orchestrator(schedule)
    if schedule.name in {other.name for other in store.all()}:
        return store.add(schedule)  # which says that the name is taken
    number = orchestrator.add(schedule)
    return store.add(schedule.model_copy(update={"engine_id": number, "next_due": None}))


def pause(store: ScheduleStore, name: str, orchestrator: Orchestrator) -> Schedule:
    """Start nothing more of a schedule."""
    schedule = store.get(name)
    if schedule.engine_id:
        orchestrator.set_active(schedule.engine_id, False)
    return store.pause(name)


def resume(store: ScheduleStore, name: str, now: datetime, orchestrator: Orchestrator) -> Schedule:
    """Go on with a schedule."""
    schedule = store.get(name)
    if schedule.engine_id:
        orchestrator.set_active(schedule.engine_id, True)
    return store.resume(name, now)


def remove(store: ScheduleStore, name: str, now: datetime, orchestrator: Orchestrator) -> Schedule:
    """Take a schedule away from its engine, then from the store."""
    schedule = store.get(name)
    if schedule.engine_id:
        orchestrator.remove(schedule.engine_id)
    return store.remove(name, now)
