"""A table of images: a CSV file with a path and a label a row, and where known a group and a split."""

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from hematovision.data.decoding import largest_file
from hematovision.data.manifest import ATTRIBUTE
from hematovision.data.sources.attributes import GROUP_HEADERS, LABEL_HEADERS, PATH_HEADERS
from hematovision.data.sources.base import Item, SourceKind, refused, split_named
from hematovision.data.sources.table import column_names, first_of, read_table
from hematovision.data.sources.tree import read_inside, relative_name
from hematovision.errors import UsageError

MANIFEST_NAME = "manifest.csv"
"""A folder with a file of this name is a CSV-manifest source."""

_HEADERS = {"path": PATH_HEADERS, "label": LABEL_HEADERS, "group": GROUP_HEADERS, "split": ("split", "set")}
"""Column names understood, in any case; where several are there the first in this order is used."""

ORIGIN_HEADERS = ("site", "hospital", "scanner", "stain", "source")
"""Columns kept as attributes: where cells come from, for scores by origin."""

STORED_AS = "stored_as"
"""A column of the tables HematoVision writes: where the bytes lie; `path` is then only the name of the cell."""


class CsvManifest:
    """Columns `path`, `label` and optionally `group` and `split` (or their other names); paths relative to the file.

    Comma, semicolon or tab separated, UTF-8. A row whose path leads outside the file's folder, whose label is missing
    or whose split is none of train, validation and test is an item that cannot be loaded. Columns that say where a cell
    comes from (site, hospital, scanner, stain, source) become attributes; others are left alone. In a restored data
    version (a table with a column `stored_as`) names are taken as they are, and every `attribute_…` is kept.
    """

    kind = SourceKind.CSV_MANIFEST

    def __init__(self, root: Path, *, max_pixels: int) -> None:
        self.table = root.resolve()
        self.root = self.table.parent
        self.ignored: Mapping[str, int] = {}
        self._max_bytes = largest_file(max_pixels)
        self._rows = _rows(self.table)

    def __len__(self) -> int:
        return len(self._rows)

    def items(self) -> Iterator[Item]:
        """One item a row, in the order of the table."""
        return (self._item(line, row) for line, row in self._rows)

    def _item(self, line: int, row: Mapping[str, str]) -> Item:
        label, group, split = row["label"], row.get("group", ""), row.get("split", "")
        known_split = split_named(split) or ""
        stored = row.get(STORED_AS, "")
        name = row["path"] if stored else self._name(row["path"])
        reason = ""
        if not name:
            name, reason = f"{self.table.name} line {line}", "the row names no image"
        elif not label:
            reason = f"line {line} of {self.table.name} gives no label"
        elif split and not known_split:
            reason = f"line {line} of {self.table.name} has the split {split!r}, none of train, validation and test"
        if reason:
            return refused(name, reason, label=label, group=group, split=known_split)
        load = partial(read_inside, self.root / (stored or name), root=self.root, max_bytes=self._max_bytes)
        attributes = {field.removeprefix(ATTRIBUTE): row[field] for field in row if _is_attribute(field)}
        return Item(name, label, group, known_split, load, attributes)

    def _name(self, cell: str) -> str:
        """The path relative to the table where it lies beside or below it, else as written; '' for an empty cell."""
        if not cell:
            return ""
        path = PurePosixPath(os.path.normpath(cell.replace("\\", "/")))
        absolute = self.root / path
        return relative_name(absolute, self.root) if absolute.is_relative_to(self.root) else str(path)


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """The line number and the known fields, stripped, of every row that is not blank."""
    header, lines = read_table(table, exact_below=STORED_AS)
    columns = _columns(header, table)
    return [(number, _fields(cells, columns)) for number, cells in lines]


def _columns(header: list[str], table: Path) -> dict[str, int]:
    names = column_names(header)
    kept = [name for name in header if STORED_AS in header and (name == STORED_AS or name.startswith(ATTRIBUTE))]
    aliases = {**_HEADERS, **{name: (name,) for name in ORIGIN_HEADERS}}
    columns = {field: place for field, known in aliases.items() if (place := first_of(names, known)) is not None}
    columns |= {name: header.index(name) for name in kept}
    for field in ("path", "label"):
        if field not in columns:
            raise UsageError(
                f"{table}: no column for the {field} ({', '.join(_HEADERS[field])}); its header is: {', '.join(header)}"
            )
    return columns


def _fields(cells: list[str], columns: Mapping[str, int]) -> dict[str, str]:
    return {field: cells[index] if index < len(cells) else "" for field, index in columns.items()}


def _is_attribute(field: str) -> bool:
    return field in ORIGIN_HEADERS or field.startswith(ATTRIBUTE)
