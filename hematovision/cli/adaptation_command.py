"""`adapt` and its options, for the application."""

from pathlib import Path
from typing import Annotated

import typer

from hematovision.cli.options import AsJson, Config


def add_adaptation(app: typer.Typer) -> None:
    """Give the application the command."""
    app.command()(adapt)


def adapt(
    model: Annotated[
        str,
        typer.Option("--model", metavar="URI", help="models:/NAME/VERSION or models:/NAME@ALIAS, such as @champion."),
    ],
    data: Annotated[
        Path, typer.Option("--data", metavar="PATH", help="Pictures of the new site; labels are not read.")
    ],
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Make a challenger whose batch norms follow unlabelled pictures of a new site; judged like any other version."""
    from hematovision.cli import adaptation

    adaptation.adapt(model, data, config, as_json=json)
