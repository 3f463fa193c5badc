"""`audit verify|export|report`: proof that no record was altered, for here, for far away, and to read."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from hematovision.cli.output import command

if TYPE_CHECKING:
    from hematovision.home import Home
    from hematovision.ledger import Ledger
    from hematovision.ledger.verification import Verification


def _opened(config: Path | None) -> "tuple[Home, Ledger]":
    from hematovision.config import load_config
    from hematovision.home import locate_home
    from hematovision.ledger import open_ledger

    home = locate_home()
    return home, open_ledger(home, load_config(config).records.database)


def verify(earlier: Path | None, config: Path | None, *, ledger_only: bool, as_json: bool) -> None:
    """Judge ledger, files and registry; a finding ends with exit code 3."""
    with command(as_json) as output:
        from hematovision.errors import GateRefused

        verified = _verified(*_opened(config), earlier, ledger_only=ledger_only)
        document = {
            "verified": not verified.findings,
            "records": verified.chain.count,
            "head": verified.chain.digest,
            "artifacts": verified.artifacts,
            "ledger_only": ledger_only,
            "installations": sorted(verified.chain.keys.installations),
            "findings": [
                {"code": one.code, "record": one.number, "says": one.says} for one in verified.findings
            ],
        }  # fmt: skip
        output.result(document, _show_findings)
        if verified.findings:
            raise GateRefused(f"The audit found {_counted(len(verified.findings), 'thing')} that should not be so.")


def _verified(home: "Home", ledger: "Ledger", earlier: Path | None, *, ledger_only: bool) -> "Verification":
    from hematovision.ledger.verification import verify_ledger

    if ledger_only:
        return verify_ledger(ledger, earlier=earlier)
    from hematovision.registry.custody import measure_artifact, registry_facts

    return verify_ledger(
        ledger, measure=partial(measure_artifact, home), registry=registry_facts(home), earlier=earlier
    )


def export(target: Path, config: Path | None, *, with_artifacts: bool, as_json: bool) -> None:
    """Write the archive and name its digest."""
    with command(as_json) as output:
        from hematovision.ledger.artifacts import file_digest
        from hematovision.ledger.export import export_ledger
        from hematovision.registry.custody import artifact_files

        home, ledger = _opened(config)
        exported = export_ledger(ledger, target, files_of=partial(artifact_files, home) if with_artifacts else None)
        document = {"file": str(target), "sha256": file_digest(target), **exported.model_dump()}
        output.result(document, _show_export)


def report(since: str | None, until: str | None, target: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Write a page about a period."""
    with command(as_json) as output:
        from hematovision.ledger import moment
        from hematovision.ledger.report import ledger_page, period_name

        home, ledger = _opened(config)
        first, last = (moment(text) if text else None for text in (since, until))
        verified = _verified(home, ledger, None, ledger_only=False)
        page, shown = ledger_page(verified, first, last)
        path = target or home.runs / f"audit-{period_name(first, last)}.html"
        _write_page(path, page)
        document = {"report": str(path), "since": first, "until": last, "records": shown,
                    "findings": len(verified.findings)}  # fmt: skip
        output.result(document, _show_report)


def _write_page(path: Path, page: str) -> None:
    from hematovision.errors import UsageError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _show_findings(console: Console, document: Mapping[str, Any]) -> None:
    looked = f"{_counted(document['records'], 'record')}, {_counted(document['artifacts'], 'artifact')}"
    if document["verified"]:
        console.print(f"[green]Everything holds.[/]  {looked}", highlight=False)
    else:
        table = Table(title=f"Not as it was written ({looked})", title_justify="left", title_style="bold red")
        table.add_column("record", justify="right")
        table.add_column("what was found", overflow="fold")
        for finding in document["findings"]:
            table.add_row(str(finding["record"] or ""), _plain(finding["says"]))
        console.print(table)
    console.print(f"Head  {document['head']}", soft_wrap=True, highlight=False)
    if document["ledger_only"]:
        console.print("Registry and files were not looked at (--ledger-only).", style="dim")


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def _show_export(console: Console, document: Mapping[str, Any]) -> None:
    _tell: Callable[..., None] = partial(console.print, soft_wrap=True, markup=False, highlight=False)
    _tell(f"Export  {document['file']}  ({_counted(document['records'], 'record')})")
    _tell(f"SHA-256 {document['sha256']}")
    _tell(f"Head    {document['head']}")
    if document["left_out"]:
        _tell(f"Left out, as they could not be read: {', '.join(document['left_out'])}")
    if document["findings"]:
        _tell(f"It holds {_counted(document['findings'], 'finding')}: run `hematovision audit verify`.")
    _tell(f"Check   unzip -p {document['file']} verify.py > verify.py; python -I verify.py {document['file']}")


def _show_report(console: Console, document: Mapping[str, Any]) -> None:
    console.print(f"Report  {document['report']}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"{_counted(document['records'], 'record')}, {_counted(document['findings'], 'finding')}")
