"""What experts say of single images: an `attributes.csv` beside the class folders, one column an attribute."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hematovision.data.sources.table import column_names, first_of, read_table
from hematovision.errors import UsageError

ATTRIBUTES_NAME = "attributes.csv"
MOST_VALUES = 100
"""A column with more different values than this is a name or a measurement, and no attribute to group cells by."""

PATH_HEADERS = ("path", "file", "filename", "file_name", "image", "image_path")
LABEL_HEADERS = ("label", "class", "class_name")
# the coarsest unit first: all slides of a patient belong together
GROUP_HEADERS = ("group", "patient", "patient_id", "slide", "slide_id")


@dataclass(frozen=True)
class Described:
    """What the table says of one image; `group` is '' where it has no such column."""

    group: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class AttributeTable:
    """The rows by path below the data folder, and the columns that were no attributes."""

    rows: Mapping[str, Described] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def read_attributes(table: Path) -> AttributeTable:
    """Read a table with a path column (relative to the table), at most a group column, and attributes.

    A label column is left alone: the folder is the label. Values are words, '' where none is given.

    UsageError where there is no path column, or a path stands twice.
    """
    header, lines = read_table(table)
    names = column_names(header)
    path, group = first_of(names, PATH_HEADERS), first_of(names, GROUP_HEADERS)
    if path is None:
        raise UsageError(f"{table}: no column for the path ({', '.join(PATH_HEADERS)}); it has {', '.join(header)}")
    known = {path, group, first_of(names, LABEL_HEADERS)}
    columns = [place for place, name in enumerate(names) if name and place not in known]
    padded = [(number, cells + [""] * (len(names) - len(cells))) for number, cells in lines]
    varied = {place for place in columns if len({cells[place] for _, cells in padded}) > MOST_VALUES}
    rows: dict[str, Described] = {}
    for number, cells in padded:
        name = cells[path].replace("\\", "/").removeprefix("./")
        if name in rows:
            raise UsageError(f"{table}: line {number} names {name} a second time; keep one row an image")
        values = {names[place]: cells[place] for place in columns if place not in varied}
        rows[name] = Described("" if group is None else cells[group], values)
    return AttributeTable(rows, tuple(names[place] for place in sorted(varied)))
