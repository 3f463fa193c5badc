"""The commands of the ledger, `reviewers …` and `audit …`, and their options."""

from pathlib import Path
from typing import Annotated

import typer

from hematovision.cli.options import AsJson, Config

reviewers_app = typer.Typer(name="reviewers", help="Who may decide, by their signing keys.", no_args_is_help=True)
audit_app = typer.Typer(name="audit", help="Prove that no record was altered.", no_args_is_help=True)

OwnKey = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="Your private key; without it $HEMATOVISION_KEY or its standard place."),
]


@reviewers_app.command("key")
def make_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Your name, as decisions are to carry it.")],
    key: OwnKey = None,
    no_passphrase: Annotated[bool, typer.Option(help="Leave the key unprotected, as for a machine.")] = False,
    json: AsJson = False,
) -> None:
    """Make your own signing key, and a request to have it added."""
    from hematovision.cli import reviewers

    reviewers.make_key(name, key, without_passphrase=no_passphrase, as_json=json)


@reviewers_app.command()
def add(
    request: Annotated[Path, typer.Argument(metavar="REQUEST", help="The file `reviewers key` wrote.")],
    role: Annotated[
        list[str],
        typer.Option("--role", help="In which role they decide; may be repeated. `administrator` rules over keys."),
    ],
    login: Annotated[
        str | None, typer.Option(help="Under which login they work, so that they do not decide on their own versions.")
    ] = None,
    key: OwnKey = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Let a person decide; where there is an administrator, their key signs this."""
    from hematovision.cli import reviewers

    reviewers.add(request, role, login, key, config, as_json=json)


@reviewers_app.command("list")
def show(config: Config = None, json: AsJson = False) -> None:
    """Show everyone who was ever added, and who is revoked."""
    from hematovision.cli import reviewers

    reviewers.show(config, as_json=json)


@reviewers_app.command()
def revoke(
    who: Annotated[str, typer.Argument(metavar="WHO", help="Their name, or the beginning of the fingerprint.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    key: OwnKey = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Let a key decide nothing from now on; what it signed before stays valid."""
    from hematovision.cli import reviewers

    reviewers.revoke(who, reason, key, config, as_json=json)


@audit_app.command()
def verify(
    earlier: Annotated[
        Path | None,
        typer.Option("--earlier", metavar="EXPORT.zip", help="An export made before, to be gone on from."),
    ] = None,
    ledger_only: Annotated[
        bool, typer.Option("--ledger-only", help="Look neither at the registry nor at the files records name.")
    ] = False,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Check chain, seals, signatures, files and registry; a finding ends with exit code 3."""
    from hematovision.cli import audit

    audit.verify(earlier, config, ledger_only=ledger_only, as_json=json)


@audit_app.command()
def export(
    target: Annotated[Path, typer.Argument(metavar="FILE.zip", help="The archive to write.")],
    with_artifacts: Annotated[
        bool, typer.Option("--with-artifacts", help="Put the files that records name into it, models included.")
    ] = False,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Write one archive that an auditor verifies without HematoVision."""
    from hematovision.cli import audit

    audit.export(target, config, with_artifacts=with_artifacts, as_json=json)


@audit_app.command()
def report(
    since: Annotated[str | None, typer.Option(metavar="DATE", help="From this day or time on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Before this day or time.")] = None,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Where the page goes.")] = None,
    config: Config = None,
    json: AsJson = False,
) -> None:
    """Write a page about a period: decisions, promotions, models, keys, and what does not hold."""
    from hematovision.cli import audit

    audit.report(since, until, output, config, as_json=json)
