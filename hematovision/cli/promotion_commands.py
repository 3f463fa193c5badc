"""The options of `review`, `promote`, `rollback` and `webhooks`."""

from pathlib import Path
from typing import Annotated

import typer

from hematovision.cli.options import AsJson, Config

review_app = typer.Typer(name="review", help="Decide on a version, under your name.", no_args_is_help=True)
webhooks_app = typer.Typer(
    name="webhooks", help="Signed messages to a team: a candidate, a decision, a promotion.", no_args_is_help=True
)

Version = Annotated[
    str, typer.Argument(metavar="[MODEL]", help="NAME/VERSION, NAME@ALIAS, a version number, or an alias.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; stays with the version for ever.")]
Role = Annotated[str | None, typer.Option("--role", help="In which of your roles, where you have several.")]
Key = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="Your private key; without it $HEMATOVISION_KEY, then your own folder."),
]
ToRun = Annotated[
    bool, typer.Option("--to-run", help="Hand the signed decision to the pipeline run that waits for it.")
]
Name = Annotated[str | None, typer.Option("--name", help="Of the registered model; without it, the configured one.")]


@review_app.command("list")
def list_versions(name: Name = None, config: Config = None, json: AsJson = False) -> None:
    """Show every version with where it stands and what it needs."""
    from hematovision.cli import promotion

    promotion.list_versions(name, config, as_json=json)


@review_app.command()
def show(model: Version = "challenger", config: Config = None, json: AsJson = False) -> None:
    """Show one version: its gates, every decision, what it needs."""
    from hematovision.cli import promotion

    promotion.show(model, config, as_json=json)


@review_app.command()
def approve(
    reason: Reason,
    model: Version = "challenger",
    role: Role = None,
    purpose: Annotated[
        str | None, typer.Option("--for", metavar="PURPOSE", help="Ends “I approve this version for …”.")
    ] = None,
    key: Key = None,
    to_run: ToRun = False,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Sign that a version may serve; nobody approves their own, nor twice."""
    from hematovision.cli import promotion

    promotion.decide(
        "approve", model, config, reason=reason, role=role, purpose=purpose, key=key, to_run=to_run, as_json=json
    )


@review_app.command()
def reject(
    reason: Reason,
    model: Version = "challenger",
    role: Role = None,
    key: Key = None,
    to_run: ToRun = False,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Sign that a version may not serve; that is final."""
    from hematovision.cli import promotion

    promotion.decide("reject", model, config, reason=reason, role=role, key=key, to_run=to_run, as_json=json)


@review_app.command()
def comment(
    reason: Annotated[str, typer.Option("--text", metavar="TEXT", help="What you have to say; stays for ever.")],
    model: Version = "challenger",
    role: Role = None,
    key: Key = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Sign a remark that decides nothing."""
    from hematovision.cli import promotion

    promotion.decide("comment", model, config, reason=reason, role=role, key=key, as_json=json)


@review_app.command()
def override(
    gate: Annotated[str, typer.Option("--gate", metavar="NAME", help="The failed gate, as `review show` names it.")],
    reason: Reason,
    model: Version = "challenger",
    role: Role = None,
    key: Key = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Answer with your name for a version although it failed a gate; visible for ever."""
    from hematovision.cli import promotion

    promotion.decide("override", model, config, reason=reason, role=role, gate=gate, key=key, as_json=json)


def promote(
    model: Version = "challenger",
    wait: Annotated[
        int | None,
        typer.Option(
            "--wait", metavar="SECONDS", min=1, help="First wait, in a pipeline run, for the decisions it still needs."
        ),
    ] = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="Put the alias back where the ledger says, after somebody moved it.")
    ] = False,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Make an approved version the champion: the version that serves."""
    from hematovision.cli import promotion

    promotion.promote(model, config, restore=restore, wait=wait, as_json=json)


def rollback(
    reason: Reason,
    name: Name = None,
    role: Role = None,
    key: Key = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Make the former champion the champion again, on your signature."""
    from hematovision.cli import promotion

    promotion.rollback(name, config, reason=reason, role=role, key=key, as_json=json)


@webhooks_app.command("setup")
def set_up_webhook(
    url: Annotated[str, typer.Argument(metavar="URL", help="https address that takes the messages.")],
    name: Annotated[str, typer.Option(help="Of the webhook; the same name again changes it.")] = "team",
    secret_in: Annotated[
        str, typer.Option("--secret-in", metavar="VARIABLE", help="Environment variable that holds the secret.")
    ] = "HEMATOVISION_WEBHOOK_SECRET",  # noqa: S107 - the name of a variable
    events: Annotated[
        list[str] | None,
        typer.Option("--event", metavar="EVENT", help="Only this one; may be repeated. Without it, all three."),
    ] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Have MLflow send signed messages when a version appears, an alias moves, a tag changes."""
    from hematovision.cli import promotion

    promotion.set_up_webhook(url, config, name=name, secret_in=secret_in, events=events or [], as_json=json)


@webhooks_app.command("list")
def list_webhooks(config: Config = None, json: AsJson = False) -> None:
    """Show where messages go."""
    from hematovision.cli import promotion

    promotion.list_webhooks(config, as_json=json)


@webhooks_app.command("test")
def try_webhooks(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of one webhook; without it, all.")] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Send an example message and say how it was answered."""
    from hematovision.cli import promotion

    promotion.try_webhooks(name, config, as_json=json)


def add_promotion(app: typer.Typer) -> None:
    """Put these commands into the application."""
    app.add_typer(review_app)
    app.command()(promote)
    app.command()(rollback)
    app.add_typer(webhooks_app)
