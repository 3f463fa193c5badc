"""`hematovision data …`: the commands and their options."""

from pathlib import Path
from typing import Annotated

import typer

from hematovision.cli.options import AsJson, Config

data_app = typer.Typer(
    name="data",
    help="Look at, generate, pin and verify data sets; keep and restore the versions models learnt from.",
    no_args_is_help=True,
)
Versions = Annotated[
    list[str] | None,
    typer.Argument(metavar="[VERSION…]", help="Data versions, or models (NAME/VERSION); without one, all."),
]


@data_app.command()
def generate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write the set.")],
    scanner: Annotated[
        str | None, typer.Option(help="A scanner of configs/scanners.yaml: another look of the same cells.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed gives other cells.", min=0)] = None,
    slides: Annotated[int | None, typer.Option(min=1)] = None,
    cells: Annotated[int | None, typer.Option(help="Cells a class and slide.", min=1)] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Write a synthetic data set: generated cells, no patient behind them."""
    from hematovision.cli import datasets

    datasets.generate(folder, config, scanner=scanner, seed=seed, slides=slides, cells=cells, as_json=json)


@data_app.command()
def verify(config: Config = None, json: AsJson = False) -> None:
    """Check the embedded data against data.dvc, every byte."""
    from hematovision.cli import datasets

    datasets.verify(config, as_json=json)


@data_app.command()
def pin(
    path: Annotated[
        Path | None, typer.Argument(metavar="[PATH]", help="A data set; without one, the configured or embedded set.")
    ] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Pin a data set as it lies there now: its .dvc file moves, and every run is checked against it."""
    from hematovision.cli import datasets

    datasets.pin(path, config, as_json=json)


@data_app.command()
def show(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A data set in any layout `run` takes.")],
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Say which layout a data set has, and how many images a class."""
    from hematovision.cli import datasets

    datasets.show(path, config, as_json=json)


@data_app.command()
def versions(config: Config = None, json: AsJson = False) -> None:
    """List the data versions that are kept, and which models learnt from them."""
    from hematovision.cli import data_versions

    data_versions.versions(config, as_json=json)


@data_app.command()
def checkout(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A data version or the start of one, or a model: NAME/VERSION.")
    ],
    output: Annotated[Path | None, typer.Option("--output", metavar="DIR", help="A folder that is not there.")] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Restore the data a model learnt from, byte for byte; what is missing here comes from the remote."""
    from hematovision.cli import data_versions

    data_versions.checkout(version, output, config, as_json=json)


@data_app.command()
def push(version: Versions = None, config: Config = None, json: AsJson = False) -> None:
    """Copy data versions to the remote (`data_versions` in the configuration)."""
    from hematovision.cli import data_versions

    data_versions.push(version or [], config, as_json=json)


@data_app.command()
def pull(version: Versions = None, config: Config = None, json: AsJson = False) -> None:
    """Take what is missing or damaged here from the remote, every byte checked."""
    from hematovision.cli import data_versions

    data_versions.pull(version or [], config, as_json=json)


@data_app.command()
def erase(
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="[IMAGE…]", help="SHA-256, or the file; without one, erasures cut short are finished."),
    ] = None,
    reason: Annotated[
        str, typer.Option(help="Why, for the ledger; name no person: the ledger never forgets.")
    ] = "consent withdrawn",
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Erase a withdrawn image from every store here; say which models learnt from it and what could not be reached."""
    from hematovision.cli import erasure

    erasure.erase(images or [], reason, config, as_json=json)
