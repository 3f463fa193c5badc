"""`data erase`: a withdrawn image leaves the house."""

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hematovision.cli.output import command


def erase(images: Sequence[str], reason: str, config: Path | None, *, as_json: bool) -> None:
    """Erase images, or finish erasures that were cut short."""
    with command(as_json) as output:
        from hematovision.config import load_config
        from hematovision.home import locate_home

        settings = load_config(config)
        eraser = _eraser(locate_home(), settings)
        asked = [_digest(image) for image in images] or eraser.unfinished()
        actor = f"user:{getpass.getuser()}"
        done = [eraser.erase(image, reason, actor).model_dump() for image in dict.fromkeys(asked)]
        output.result({"erased": done}, _show)


def _eraser(home: Any, settings: Any) -> Any:
    from hematovision.database import database_url, open_database
    from hematovision.feedback.pictures import open_pictures
    from hematovision.ledger import open_ledger
    from hematovision.lineage.cells import open_index
    from hematovision.lineage.erasure import Eraser
    from hematovision.lineage.from_cells import CellReader
    from hematovision.lineage.from_mlflow import Registry

    records = database_url(settings.records.database, home.databases / "feedback.db", named="records.database")
    return Eraser(
        home,
        open_ledger(home, settings.records.database),
        CellReader(Registry(home), open_index(home)),
        open_database(records),
        open_pictures(settings.feedback.pictures, home.pictures),
        pushed_to=settings.data_versions.remote,
    )


def _digest(image: str) -> str:
    """A SHA-256 as it is; the file of a picture as that of its bytes.

    Raises:
        UsageError: it is neither.
    """
    import hashlib
    import re

    from hematovision.errors import UsageError
    from hematovision.lineage.things import refuse_unprintable

    text = refuse_unprintable(image).removeprefix("image:")
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return text
    try:
        return hashlib.sha256(Path(image).read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{image} is neither the SHA-256 of an image nor a file: {error.strerror}.") from error


def _show(console: Any, document: Mapping[str, Any]) -> None:
    from rich.markup import escape

    if not document["erased"]:
        console.print("No erasure was left unfinished.")
    for one in document["erased"]:
        removed = ", ".join(f"{count} {what}" for what, count in one["removed"].items() if count)
        console.print(f"[bold]{one['image']}[/]: {removed or 'nothing was left to remove'}", soft_wrap=True)
        for title, key in (
            ("trained on it, flagged withdrawn_images", "trained"),
            ("scored on it", "scored"),
            ("the same cell under other bytes, not erased", "copies"),
            ("not reached", "unreachable"),
        ):
            for what in one[key]:
                console.print(f"  {title}: {escape(what)}", soft_wrap=True, highlight=False)
