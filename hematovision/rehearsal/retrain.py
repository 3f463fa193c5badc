"""The retrain as the scheduler starts it: arranged, awaited, and read from what it wrote."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hematovision.config import RunConfig
from hematovision.rehearsal.processes import Commands, Standing
from hematovision.rehearsal.story import Story, WentWrong
from hematovision.rehearsal.workplace import Workplace
from hematovision.scheduling.firings import Firings
from hematovision.scheduling.schedule import Firing
from hematovision.scheduling.store import open_schedules

SCHEDULE = "retrain-on-drift"
LOOK_SECONDS = 1.0
BEGINNING = '{"schema"'
"""Of every document; a progress bar may stand before it on the line."""


@dataclass(frozen=True)
class Retrained:
    """A retrain that ended well, with the document `improve` printed."""

    firing: Firing
    skipped: int
    document: dict[str, Any]

    @property
    def version(self) -> str:
        """The challenger, `NAME/VERSION`."""
        model = self.document["run"]["model"]
        return f"{model['name']}/{model['version']}"


def arrange(commands: Commands, place: Workplace, accepted: int, every_seconds: float) -> None:
    """Add the schedule: only with so many accepted corrections, and only while a drift alarm stands."""
    commands.run(
        *("schedule", "add", SCHEDULE, "--every", f"{every_seconds:g}s", "--retries", "0"),
        *("--if-accepted", str(accepted), "--if-drift-alarm"),
        then=("--", "improve", "--config", str(place.config), "--json"),
    )


def await_retrain(place: Workplace, config: RunConfig, daemon: Standing, story: Story, patience: float) -> Retrained:
    """Wait until the scheduler has run the retrain.

    Raises:
        WentWrong: it failed, was put off, or took too long; or the scheduler ended.
    """
    store = open_schedules(place.home, None)
    firings = Firings(store.engine, config.scheduling)
    deadline, begun = time.monotonic() + patience, False
    try:
        while time.monotonic() < deadline:
            daemon.check()
            history = firings.history(SCHEDULE, most=1000)
            firing = next((one for one in history if one.state not in ("skipped", "cancelled")), None)
            if firing is not None and firing.state in ("done", "failed", "refused"):
                return _ended(firing, sum(one.state == "skipped" and one.due < firing.due for one in history))
            if firing is not None and firing.state == "running" and not begun and firing.job_pid is not None:
                begun = True
                story.say(f"The scheduler has started it: due {firing.due:%H:%M:%S} UTC, by the clock.")
            time.sleep(LOOK_SECONDS)
    finally:
        store.engine.dispose()
    last = history[0] if history else None
    why = f"; the last due time is {last.state}: {last.reason}" if last else ""
    raise WentWrong(f"The scheduler has not finished a retrain after {patience:g} s{why}.", log=place.home.scheduled)


def _ended(firing: Firing, skipped: int) -> Retrained:
    log = Path(firing.log or "")
    if firing.state != "done":
        raise WentWrong(f"The retrain is {firing.state}: {firing.reason}.", log=log)
    document = printed(log)
    if not document.get("improved"):
        raise WentWrong(f"The retrain was put off: {document.get('reason')}.", log=log)
    return Retrained(firing, skipped, document)


def printed(log: Path) -> dict[str, Any]:
    """The document among the lines of a scheduled command's log.

    Raises:
        WentWrong: there is none.
    """
    for line in reversed(log.read_text(encoding="utf-8", errors="replace").splitlines()):
        _, begun, rest = line.partition(BEGINNING)
        if begun:
            document: dict[str, Any] = json.loads(begun + rest)
            return document
    raise WentWrong("The retrain printed no document.", log=log)
