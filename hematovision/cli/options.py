"""The options that every command takes."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="YAML laid over configs/default.yaml, or a name in configs/."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, all else on standard error.")
]
