"""`schedule add|list|pause|resume|remove|history`: what is to be done, and what was."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from hematovision.cli.output import command
from hematovision.cli.schedule_tables import show_history, show_schedule, show_schedules
from hematovision.errors import UsageError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def opened(config: Path | None) -> tuple[Any, Any]:
    """The configuration in force, and the store it names."""
    from hematovision.config import load_config
    from hematovision.home import locate_home
    from hematovision.scheduling.store import open_schedules

    settings = load_config(config)
    return settings, open_schedules(locate_home(), settings.records.database)


def _seconds(every: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", every)
    if found is None or float(found[1]) * UNITS[found[2]] < 1:
        raise UsageError(f"--every {every!r} is no time: give a number with s, m, h or d, of a second at least: 30m.")
    return float(found[1]) * UNITS[found[2]]


def _schedule(name: str, words: Sequence[str], rule: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """A schedule, checked, with its first due time."""
    from pydantic import ValidationError

    from hematovision.scheduling.schedule import Schedule

    now = datetime.now(UTC)
    try:
        schedule = Schedule(
            id=uuid4().hex, name=name, command=tuple(words), folder=str(Path.cwd()), created=now, **rule, **given
        )
    except ValidationError as error:
        raise UsageError("; ".join(str(problem["msg"]) for problem in error.errors()) + ".") from error
    due = schedule.due_after(now)
    if due is None:
        raise UsageError(f"{schedule.cron!r} names no day that ever comes.")
    return schedule.model_copy(update={"next_due": due})


def add(
    name: str,
    words: Sequence[str],
    config: Path | None,
    *,
    cron: str | None,
    every: str | None,
    timezone: str | None,
    limits: Mapping[str, float | None],
    any_condition: bool,
    retries: int | None,
    engine: str,
    as_json: bool,
) -> None:
    """Check a schedule whole, then keep it."""
    with command(as_json) as output:
        from hematovision.cli.schedule_command import check_command
        from hematovision.cli.schedule_orchestrator import ZenmlOrchestrator
        from hematovision.scheduling import engines

        check_command(words)
        if (cron is None) == (every is None):
            raise UsageError("Say when: either --cron LINE or --every TIME.")
        settings, store = opened(config)
        zone = timezone or settings.scheduling.timezone
        rule = {"cron": cron, "timezone": zone, "interval_seconds": _seconds(every) if every else None}
        conditions = [{"name": key, "limit": limit} for key, limit in limits.items() if limit is not None]
        given = {
            "conditions": conditions,
            "any_condition": any_condition,
            "retries": settings.scheduling.retries if retries is None else retries,
            "engine": engine,
        }
        schedule = engines.add(store, _schedule(name, words, rule, given), ZenmlOrchestrator())
        output.result({"schedule": described(schedule)}, show_schedule)


def described(schedule: Any) -> dict[str, Any]:
    """A schedule as a JSON document tells it."""
    from hematovision.scheduling.schedule import shown_command

    return {**schedule.model_dump(mode="json"), "shown": shown_command(schedule.command)}


def list_all(config: Path | None, *, as_json: bool) -> None:
    """Every schedule with its last firing."""
    with command(as_json) as output:
        from hematovision.scheduling.firings import Firings

        settings, store = opened(config)
        firings = Firings(store.engine, settings.scheduling)
        rows = []
        for schedule in store.all():
            last = next(iter(firings.history(schedule.name, 1)), None)
            rows.append({**described(schedule), "last": last.model_dump(mode="json") if last else None})
        output.result({"schedules": rows}, show_schedules)


def pause_one(name: str, config: Path | None, *, as_json: bool) -> None:
    """Stop firing."""
    with command(as_json) as output:
        from hematovision.cli.schedule_orchestrator import ZenmlOrchestrator
        from hematovision.scheduling.engines import pause

        output.result({"schedule": described(pause(opened(config)[1], name, ZenmlOrchestrator()))}, show_schedule)


def resume_one(name: str, config: Path | None, *, as_json: bool) -> None:
    """Fire again."""
    with command(as_json) as output:
        from hematovision.cli.schedule_orchestrator import ZenmlOrchestrator
        from hematovision.scheduling.engines import resume

        schedule = resume(opened(config)[1], name, datetime.now(UTC), ZenmlOrchestrator())
        output.result({"schedule": described(schedule)}, show_schedule)


def remove_one(name: str, config: Path | None, *, as_json: bool) -> None:
    """Take away."""
    with command(as_json) as output:
        from hematovision.cli.schedule_orchestrator import ZenmlOrchestrator
        from hematovision.scheduling.engines import remove

        schedule = remove(opened(config)[1], name, datetime.now(UTC), ZenmlOrchestrator())
        output.result({"removed": described(schedule)}, show_schedule)


def history(name: str | None, most: int, config: Path | None, *, as_json: bool) -> None:
    """What became of due times; also of schedules that are gone."""
    with command(as_json) as output:
        from hematovision.scheduling.firings import Firings

        settings, store = opened(config)
        rows = Firings(store.engine, settings.scheduling).history(name, most)
        if name and not rows:
            store.get(name)
        output.result({"firings": [row.model_dump(mode="json") for row in rows]}, show_history)
