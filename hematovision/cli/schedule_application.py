"""`hematovision schedule …`: the commands and their options."""

from typing import Annotated, Literal

import typer

from hematovision.cli.options import AsJson, Config

schedule_app = typer.Typer(
    name="schedule", help="Run commands by the clock and by what happened.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the schedule.")]


Cron = Annotated[
    str | None, typer.Option("--cron", metavar="LINE", help="Minute, hour, day, month, weekday: '0 2 * * *'.")
]
Every = Annotated[str | None, typer.Option("--every", metavar="TIME", help="Such as 90s, 30m, 6h, 2d.")]
Timezone = Annotated[
    str | None, typer.Option("--timezone", metavar="ZONE", help="Of --cron: an IANA name, Europe/Berlin.")
]
IfAccepted = Annotated[
    int | None,
    typer.Option("--if-accepted", metavar="N", min=1, help="Only if N corrections were accepted since its last run."),
]
IfDriftAlarm = Annotated[
    bool, typer.Option("--if-drift-alarm", help="Only if an alarm was raised since its last run, and stands.")
]
IfChampionOlder = Annotated[
    float | None,
    typer.Option("--if-champion-older-than", metavar="DAYS", min=0, help="Only if the champion is older."),
]
Engine = Annotated[
    Literal["embedded", "zenml"],
    typer.Option(help="The daemon of this store, or the orchestrator of the active ZenML stack."),
]


@schedule_app.command()
def add(
    name: Name,
    command: Annotated[
        list[str],
        typer.Argument(metavar="-- COMMAND…", help="A command of hematovision with its options, after two dashes."),
    ],
    cron: Cron = None,
    every: Every = None,
    timezone: Timezone = None,
    accepted: IfAccepted = None,
    drift_alarm: IfDriftAlarm = False,
    champion_days: IfChampionOlder = None,
    any_condition: Annotated[bool, typer.Option("--any", help="One of the conditions is enough.")] = False,
    retries: Annotated[int | None, typer.Option(min=0, help="Further attempts after a failure.")] = None,
    engine: Engine = "embedded",
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Keep a schedule: hematovision schedule add nightly --cron '0 2 * * *' -- monitor --model URI --data PATH."""
    from hematovision.cli import schedules

    schedules.add(
        name,
        command,
        config,
        cron=cron,
        every=every,
        timezone=timezone,
        limits={
            "accepted_feedback": accepted,
            "drift_alarm": 1 if drift_alarm else None,
            "champion_older_than_days": champion_days,
        },
        any_condition=any_condition,
        retries=retries,
        engine=engine,
        as_json=json,
    )


@schedule_app.command(name="list")
def list_(config: Config = None, json: AsJson = False) -> None:
    """Show every schedule, when it is due next, and how it ended last."""
    from hematovision.cli import schedules

    schedules.list_all(config, as_json=json)


@schedule_app.command()
def pause(name: Name, config: Config = None, json: AsJson = False) -> None:
    """Start nothing more of a schedule; a run under way goes on."""
    from hematovision.cli import schedules

    schedules.pause_one(name, config, as_json=json)


@schedule_app.command()
def resume(name: Name, config: Config = None, json: AsJson = False) -> None:
    """Go on with a schedule from now on; what fell into the pause is left out."""
    from hematovision.cli import schedules

    schedules.resume_one(name, config, as_json=json)


@schedule_app.command()
def remove(name: Name, config: Config = None, json: AsJson = False) -> None:
    """Take a schedule away; a run under way goes on, the history stays."""
    from hematovision.cli import schedules

    schedules.remove_one(name, config, as_json=json)


@schedule_app.command(name="run-now")
def run_now(name: Name, config: Config = None, json: AsJson = False) -> None:
    """Run a schedule's command now, whatever its conditions: by a daemon, or here and now where none is alive."""
    from hematovision.cli import schedule_daemon

    schedule_daemon.run_now(name, config, as_json=json)


@schedule_app.command()
def history(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of one schedule; without it, of all.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="How many, the latest first.")] = 20,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Show what became of each due time: when, how it ended, why it was skipped, where its log is."""
    from hematovision.cli import schedules

    schedules.history(name, most, config, as_json=json)


@schedule_app.command()
def daemon(
    status: Annotated[
        bool, typer.Option("--status", help="Only say whether the schedules are kept; exit code 1 where not.")
    ] = False,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Keep the schedules until told to stop; any number of daemons may share a store."""
    from hematovision.cli import schedule_daemon

    if status:
        schedule_daemon.status(config, as_json=json)
    else:
        schedule_daemon.serve(config, as_json=json)


@schedule_app.command(hidden=True)
def perform(firing: str, token: str, config: Config = None) -> None:
    """One attempt of one firing; started by a daemon."""
    from hematovision.cli import schedule_daemon

    schedule_daemon.perform(firing, token, config)
