"""Feedback in and out as CSV and pictures: for annotation tools, and as a data set that `hematovision ingest` reads."""

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from hematovision.data.decoding import largest_file
from hematovision.data.groups import slide_of_site
from hematovision.data.sources.attributes import GROUP_HEADERS, LABEL_HEADERS, PATH_HEADERS
from hematovision.data.sources.base import split_named
from hematovision.data.sources.csv_manifest import MANIFEST_NAME
from hematovision.data.sources.table import column_names, first_of, read_table
from hematovision.data.sources.tree import read_inside
from hematovision.errors import GateRefused, HematoVisionError, UnreadableImage, UsageError
from hematovision.feedback.records import Correction, Item
from hematovision.feedback.store import FeedbackStore

Layout = Literal["csv", "folders"]

_SAID = ("item", "state", "predicted", "by", "site", "client", "slide", "prediction_id", "image")
_COLUMNS = ("path", "label", "group", *_SAID)
_SUFFIXES = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG", ".png"), (b"BM", ".bmp"), (b"RIFF", ".webp"))
_OPTIONAL = ("site", "client", "slide", "prediction_id", "client_key")


@dataclass
class Imported:
    """What became of a table's rows: ids of items made or found again, and rows refused with the reason."""

    items: list[str] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Exported:
    """Where the data set lies, how many pictures it has, and items left out because another shows the same pixels."""

    folder: Path
    count: int
    repeated: int


def group_of(item: Item, group_by: Sequence[str]) -> str:
    """The group of an item's cell in a data set: its site and slide (or what `group_by` names), '' where unknown."""
    named = [part for name in group_by if (part := getattr(item, name))]
    return slide_of_site(item.site, "/".join(named)) if named else ""


def export_items(store: FeedbackStore, items: Sequence[Item], folder: Path, *, layout: Layout = "csv") -> Exported:
    """Write items as pictures with a table, one picture for all items with the same pixels, into a new folder.

    `csv` is a `manifest.csv` beside `pictures/`; `folders` a folder a class with an `attributes.csv`. Both are read by
    `hematovision ingest`, groups included. The folder appears only when it is whole.

    Raises:
        UsageError: the folder is there already, or there is nothing to write.
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already; name a folder that is not.")
    if not items:
        raise UsageError("There is no feedback of this kind to export.")
    if layout == "folders" and (taken := sorted({item.label for item in items if split_named(item.label)})):
        raise UsageError(f"A folder {taken[0]!r} would be read as a split, not as a class; export as csv.")
    chosen = list({(item.pixels, item.label): item for item in items}.values())
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    rows = [_write(store, item, partial, layout) for item in chosen]
    table = partial / (MANIFEST_NAME if layout == "csv" else "attributes.csv")
    table.write_text(_table(rows), encoding="utf-8")
    partial.rename(folder)
    return Exported(folder, len(chosen), len(items) - len(chosen))


def _write(store: FeedbackStore, item: Item, folder: Path, layout: Layout) -> dict[str, str]:
    data = store.picture(item.image)
    suffix = next((suffix for start, suffix in _SUFFIXES if data.startswith(start)), ".tif")
    place = Path("pictures" if layout == "csv" else item.label) / f"{item.image}{suffix}"
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_bytes(data)
    said = item.model_dump(include=set(_COLUMNS))
    said |= {"path": place.as_posix(), "group": group_of(item, store.settings.group_by), "item": item.id}
    return {name: str(said[name] or "") for name in _COLUMNS}


def _table(rows: Sequence[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def import_table(store: FeedbackStore, table: Path, *, by: str, role: str, max_pixels: int) -> Imported:
    """Take in every row of a CSV table with columns path and label; what cannot be taken is listed, the rest goes on.

    Understood besides: slide (or group), site, client, client_key, and prediction_id where this store knows it.
    Pictures lie at or below the table's folder. Whoever imports vouches for the labels, and so counts as their maker.
    Importing a table again makes nothing twice: without a client key, picture, label and slide are the key.

    Raises:
        UsageError: the table has no column for path or label.
    """
    outcome = Imported()
    root = table.resolve().parent
    for line, row in _rows(table):
        try:
            data = read_inside(root / row["path"], root=root, max_bytes=largest_file(max_pixels))
            correction = _correction(store, row, data, by=by, role=role)
            outcome.items.append(store.submit(correction).id)
        except (UnreadableImage, UsageError, GateRefused) as problem:
            outcome.refused.append({"line": str(line), "path": row["path"], "reason": str(problem)})
    return outcome


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    header, lines = read_table(table)
    names = column_names(header)
    aliases = {"path": PATH_HEADERS, "label": LABEL_HEADERS, "slide": ("slide", *GROUP_HEADERS)}
    places = {key: first_of(names, known) for key, known in {**{n: (n,) for n in _OPTIONAL}, **aliases}.items()}
    for needed in ("path", "label"):
        if places[needed] is None:
            raise UsageError(f"{table}: no column for the {needed}; its header is: {', '.join(header)}")
    for line, cells in lines:
        yield line, {key: cells[at] if at is not None and at < len(cells) else "" for key, at in places.items()}


def _correction(store: FeedbackStore, row: dict[str, str], data: bytes, *, by: str, role: str) -> Correction:
    said = {name: row[name] for name in _OPTIONAL if row[name]}
    if "prediction_id" in said and store.prediction(said["prediction_id"]) is None:
        del said["prediction_id"]
    key = sha256(f"{sha256(data).hexdigest()} {row['label']} {said.get('slide', '')}".encode()).hexdigest()
    return correction_of({"client_key": key, **said, "image": data, "label": row["label"], "by": by, "role": role})


def correction_of(fields: Mapping[str, Any], *, source: str = "import") -> Correction:
    """A correction of what a person wrote. UsageError naming every field that is not as it should be."""
    try:
        return Correction.model_validate({"source": source, **fields})
    except ValidationError as error:
        found = [(item["loc"][0], item["msg"].removeprefix("Value error, ")) for item in error.errors()]
        raise UsageError("; ".join(f"{name}: {reason}" for name, reason in found)) from error


def read_picture(path: Path, *, max_pixels: int) -> bytes:
    """The bytes of a picture a person named. UsageError where there is none."""
    try:
        return read_inside(path.resolve(), root=path.resolve().parent, max_bytes=largest_file(max_pixels))
    except HematoVisionError as error:
        raise UsageError(f"{path}: {error}") from error
