"""`reproduce`: a registered version made again."""

import time
from pathlib import Path
from typing import Any

from hematovision.cli.output import command


def reproduce(asked: str, keep: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Train a version again from its record and say how far the result is from it."""
    with command(as_json) as output:
        started = time.monotonic()
        from hematovision.config import load_config
        from hematovision.errors import UsageError
        from hematovision.home import locate_home
        from hematovision.progress import progress_bar
        from hematovision.registry.data_usage import registered_version
        from hematovision.registry.reproduction import reproduce as make_again

        settings, home = load_config(config), locate_home()
        named = f"{settings.registry.model_name}/{asked}" if asked.isdigit() else asked
        version = registered_version(home, named)
        if version is None:
            raise UsageError(f"{asked} names no registered version: give a number, NAME/VERSION or models:/NAME@ALIAS.")
        with progress_bar("Restoring the data") as progress:
            result = make_again(home, version, settings.data_versions, keep=keep, progress=progress)
        document = result.model_dump()
        document["metrics"] = [{**item.model_dump(), "change": item.change} for item in result.metrics]
        output.result({**document, "seconds": round(time.monotonic() - started, 1)}, _show)


def _show(console: Any, document: Any) -> None:
    from rich.table import Table

    same = document["identical"]
    console.print(
        f"{document['model']} made again from {document['data_version']}: "
        + ("identical, digest by digest." if same else f"not identical; {', '.join(document['files'])} differ."),
        markup=False,
        soft_wrap=True,
    )
    table = Table()
    table.add_column("figure")
    for name in ("recorded", "again", "change"):
        table.add_column(name, justify="right")
    for item in document["metrics"]:
        table.add_row(
            item["name"], *(f"{item[key]:.4f}" for key in ("recorded", "reproduced")), f"{item['change']:+.4f}"
        )
    console.print(table)
    for warning in document["warnings"]:
        console.print(f"not as it was: {warning}", markup=False, soft_wrap=True)
