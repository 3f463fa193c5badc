"""`loop`: its options; what it does is in the module beside, imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

_CELLS = "a source as `run` reads it; with the other site, or neither"


def loop(
    site_a: Annotated[
        Path | None, typer.Option("--site-a", metavar="PATH", help=f"Labelled cells of the home site: {_CELLS}.")
    ] = None,
    site_b: Annotated[
        Path | None, typer.Option("--site-b", metavar="PATH", help=f"Labelled cells of the new site: {_CELLS}.")
    ] = None,
    per_class: Annotated[
        int | None, typer.Option("--per-class", metavar="N", min=1, help="Corrected cells a class.", show_default="20")
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", metavar="DIR", help="A new folder to work in.", show_default="loop/TIME in the home"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="YAML laid over configs/default.yaml, or a name in configs/.",
            show_default="loop",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Rehearse it all: train at one site, serve, drift at another, corrections, the scheduled retrain, promotion.

    In a home of its own, with the real service and scheduler. Without sites, two are drawn.
    """
    from hematovision.cli import rehearsal

    rehearsal.loop(site_a, site_b, config, per_class=per_class, work=work, as_json=json)


def add_loop(app: typer.Typer) -> None:
    """Put `loop` beside the other commands."""
    app.command()(loop)
