"""`hematovision monitor` and `hematovision drift …`: the options; what they do is in drift.py beside."""

from pathlib import Path
from typing import Annotated

import typer

from hematovision.cli.options import AsJson, Config

drift_app = typer.Typer(
    name="drift", help="What monitoring found over time: checks, alarms, a plot.", no_args_is_help=True
)

Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME[/VERSION]", help="Of this model, or this version, alone.")
]
Site = Annotated[str | None, typer.Option("--site", help="Of this site alone.")]


@drift_app.command()
def history(
    model: Model = None,
    site: Site = None,
    last: Annotated[int, typer.Option("--last", metavar="N", help="How many at most.", min=1)] = 30,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """The checks that were made, the newest first."""
    from hematovision.cli import drift

    drift.history(model, site, last, config, as_json=json)


@drift_app.command()
def show(
    check: Annotated[
        str | None,
        typer.Argument(metavar="[CHECK]", help="An id as `history` shows it; without it, how every site stands."),
    ] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """One check with its signals; or, for every model and site, whether an alarm stands."""
    from hematovision.cli import drift

    drift.show(check, config, as_json=json)


@drift_app.command()
def plot(
    model: Model = None,
    site: Site = None,
    last: Annotated[int, typer.Option("--last", metavar="N", help="Checks shown at most.", min=2)] = 500,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Where the page goes; without it, into the home.")
    ] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Draw the signals over time, a panel a site, as one page that needs no network."""
    from hematovision.cli import drift

    drift.plot(model, site, last, html, config, as_json=json)


@drift_app.command()
def baseline(
    site: Annotated[str, typer.Option("--site", help="Whose predictions become its reference.")],
    model: Annotated[str, typer.Option("--model", metavar="URI", help="models:/NAME/VERSION, models:/NAME@ALIAS.")],
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Predictions since then (UTC), or of the last 14d.")
    ] = None,
    last: Annotated[int | None, typer.Option("--last", metavar="N", help="The latest N predictions.", min=1)] = None,
    accept_drift: Annotated[
        bool, typer.Option("--accept-drift", help="Although they differ from the cells the model learnt from.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Go back to the model's own reference.")] = False,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Hold a site against what is usual there: make a reference of its predictions for this version of the model."""
    from hematovision.cli import drift

    drift.baseline(model, site, since, last, config, accept_drift=accept_drift, remove=remove, as_json=json)


def monitor(
    model: Annotated[
        str,
        typer.Option("--model", metavar="URI", help="models:/NAME/VERSION, models:/NAME@ALIAS, or a folder."),
    ],
    data: Annotated[str | None, typer.Option("--data", metavar="PATH", help="New images, labelled or not.")] = None,
    predictions: Annotated[
        bool, typer.Option("--predictions", help="In place of a folder, what the service answered and kept.")
    ] = False,
    site: Annotated[
        str | None, typer.Option("--site", help="Whose images: predictions of this site alone; an alarm is its own.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Predictions since then (UTC), or of the last 24h."),
    ] = None,
    last: Annotated[int | None, typer.Option("--last", metavar="N", help="The latest N predictions.", min=1)] = None,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Keep the verdict; it may raise or clear an alarm.")
    ] = True,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Compare new images, or what was answered, with what a model was made from: drift or not, with a report."""
    from hematovision.cli import drift

    drift.monitor(
        model,
        data,
        config,
        predictions=predictions,
        site=site,
        since=since,
        last=last,
        record=record,
        as_json=json,
    )


def add_monitoring(app: typer.Typer) -> None:
    """Put `monitor` and `drift` into the program."""
    app.command()(monitor)
    app.add_typer(drift_app)
