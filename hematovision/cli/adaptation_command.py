"""`adapt` and its options, for the application."""

from pathlib import Path
from typing import Annotated

import typer


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
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="YAML laid over configs/default.yaml, or a name in configs/."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on standard output, all else on standard error.")
    ] = False,
) -> None:
    """Make a challenger whose batch norms follow unlabelled pictures of a new site; judged like any other version."""
    from hematovision.cli import adaptation

    adaptation.adapt(model, data, config, as_json=json)
