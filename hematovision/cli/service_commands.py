"""`serve` and `keys`: their options; what they do is in the modules beside, imported when a command runs."""

from typing import Annotated, Literal

import typer

from hematovision.cli.options import AsJson, Config

keys_app = typer.Typer(name="keys", help="API keys of the service: make, show, revoke.", no_args_is_help=True)


def add_service_commands(app: typer.Typer) -> None:
    """Put `serve` and `keys` beside the other commands."""
    app.command()(serve)
    app.add_typer(keys_app)


def serve(
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="URI", help="What answers. Without it serving.model, else the registry's @champion."
        ),
    ] = None,
    shadow: Annotated[
        str | None, typer.Option("--shadow", metavar="URI", help="A second model, answering unseen.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Answer pictures over HTTP with a verified model; follows the alias when it moves, without a pause."""
    from hematovision.cli import serving

    serving.serve(config, model=model, shadow=shadow, host=host, port=port, as_json=json)


@keys_app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, or what for: it stands beside answers.")],
    role: Annotated[
        Literal["predict", "review", "senior", "admin"], typer.Option(help="Each may what the ones before it may.")
    ] = "predict",
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Make a key. It is shown once and kept nowhere: only its hash is."""
    from hematovision.cli import serving

    serving.add_key(name, role, config, as_json=json)


@keys_app.command("list")
def list_keys(config: Config = None, json: AsJson = False) -> None:
    """Show whose keys there are; the keys themselves are not known here."""
    from hematovision.cli import serving

    serving.list_keys(config, as_json=json)


@keys_app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
    config: Config = None,
    json: AsJson = False,
) -> None:
    """End a key for good; a running service notices within serving.key_seconds."""
    from hematovision.cli import serving

    serving.revoke_key(key, config, as_json=json)
