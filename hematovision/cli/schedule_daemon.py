"""`schedule daemon` and `schedule run-now`: runs started and kept."""

import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from hematovision.cli.output import command
from hematovision.cli.schedule_tables import show_firing, show_health
from hematovision.cli.schedules import opened
from hematovision.errors import HematoVisionError, UsageError

# -P: a folder that happens to hold a module of ours is not imported from.
PROGRAM = [sys.executable, "-P", "-m", "hematovision"]


def _now() -> datetime:
    return datetime.now(UTC)


def _say(sentence: str) -> None:
    typer.echo(f"{_now().isoformat(timespec='seconds')} {sentence}", err=True)


def _daemon(settings: Any, store: Any, config: Path | None) -> Any:
    from hematovision.home import locate_home
    from hematovision.scheduling.daemon import Daemon, launcher

    chosen = ["--config", str(config)] if config else []
    launch = launcher([*PROGRAM, "schedule", "perform", *chosen])
    return Daemon(store, settings.scheduling, launch, locate_home().scheduled, _now, _say)


def serve(config: Path | None, *, as_json: bool) -> None:
    """Keep the schedules until SIGTERM or Ctrl-C."""
    with command(as_json) as output:
        logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
        settings, store = opened(config)
        daemon = _daemon(settings, store, config)
        document = {"pid": daemon.process.pid, "schedules": len(store.all())}
        output.result(
            document, lambda console, told: console.print(f"Keeping {told['schedules']} schedules. Ctrl-C stops.")
        )
        daemon.serve()


def status(config: Path | None, *, as_json: bool) -> None:
    """Whether the schedules are kept; exit code 1 where not."""
    with command(as_json) as output:
        from hematovision.scheduling.health import health

        settings, store = opened(config)
        found = health(store, settings.scheduling, _now())
        output.result(found.model_dump(mode="json"), show_health)
        if not found.healthy:
            raise HematoVisionError(" ".join(found.problems))


def perform(firing: str, token: str, config: Path | None) -> None:
    """One attempt, looked after to its end."""
    with command(False):
        from hematovision.cli.schedule_conditions import questions
        from hematovision.home import locate_home
        from hematovision.scheduling.run import Keeper

        settings, store = opened(config)
        keeper = Keeper(store, settings.scheduling, questions(settings), PROGRAM, locate_home().scheduled, _now)
        keeper.perform(firing, token)


def run_now(name: str, config: Path | None, *, as_json: bool) -> None:
    """Ask for a firing; where no daemon is alive, see it through."""
    with command(as_json) as output:
        from hematovision.scheduling.firings import Firings
        from hematovision.scheduling.health import daemons
        from hematovision.scheduling.schedule import shown_command

        settings, store = opened(config)
        firings = Firings(store.engine, settings.scheduling)
        schedule = store.get(name)
        if schedule.engine == "zenml":
            raise UsageError(f"The orchestrator keeps {name!r}; run {shown_command(schedule.command)} on its stack.")
        alive = any(daemon.alive for daemon in daemons(store.engine, settings.scheduling, _now()))
        firing = firings.ask_for(schedule, _now())
        if not alive:
            _see_through(_daemon(settings, store, config), firing.id, settings.scheduling.tick_seconds)
        ended = firings.get(firing.id)
        output.result({"firing": ended.model_dump(mode="json"), "by_daemon": alive}, show_firing)
        if not alive and ended.state != "done":
            again = "; a daemon would try it again" if ended.state == "waiting" else ""
            raise HematoVisionError(f"{name!r} is {ended.state}: {ended.reason}{again}.")


def _see_through(daemon: Any, number: str, pause: float) -> None:
    for firing, schedule in daemon.firings.take(daemon.process, _now(), only=number):
        run = daemon.start(firing, schedule)
        while run is not None and run.poll() is None:
            time.sleep(min(pause, 0.2))
