"""Accepted cells as a folder that can be read again: their bytes, and a table of their labels."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hematovision.data.manifest import attribute_columns, check_columns
from hematovision.data.sources.csv_manifest import MANIFEST_NAME, STORED_AS
from hematovision.errors import HematoVisionError

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = {"path": "path", "label": "label", "source_group": "group", "source_split": "split", "sha256": "sha256"}
_PICTURES, _RENAMED = "images", "renamed"
_LONGEST_PART, _LONGEST = 200, 1000


def snapshot_names(manifest: pd.DataFrame) -> dict[str, str]:
    """Where the bytes of each path lie in a snapshot: under their own name where that is safe, else their SHA-256."""
    paths = list(manifest["path"].astype(str))
    parents = {str(parent) for path in paths for parent in PurePosixPath(path).parents}
    digests = manifest["sha256"].astype(str)
    return {
        path: f"{_PICTURES}/{path}" if is_safe(path) and path not in parents else f"{_RENAMED}/{sha256}"
        for path, sha256 in zip(paths, digests, strict=True)
    }


def is_safe(name: str) -> bool:
    """Whether a posix path names a file below a folder on every system: no `..`, nothing absolute, no odd character."""
    parts = name.split("/")
    return len(name.encode("utf-8", "replace")) <= _LONGEST and all(map(_is_safe_part, parts))


def _is_safe_part(part: str) -> bool:
    plain = part.isprintable() and not set(part) & set('\\:*?"<>|')
    return plain and part == part.strip(" .") and 0 < len(part.encode("utf-8", "replace")) <= _LONGEST_PART


def snapshot_table(manifest: pd.DataFrame, names: Mapping[str, str]) -> bytes:
    """The table of a snapshot: path, label, group, split, sha256, where the bytes lie, and attributes; UTF-8 CSV."""
    check_columns(manifest, _COLUMNS)
    attributes = attribute_columns(manifest)
    rows = manifest.sort_values("path", kind="stable")[[*_COLUMNS, *attributes]].astype(str)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")  # both characters are then quoted where a name holds one
    writer.writerow([*_COLUMNS.values(), *attributes, STORED_AS])
    writer.writerows([*row, names[row[0]]] for row in rows.itertuples(index=False, name=None))
    return stream.getvalue().encode("utf-8")


def refuse_escapes(names: Iterable[str], *, where: str) -> None:
    """Raise HematoVisionError where a name would lead out of the folder it is restored to."""
    for name in names:
        parts = name.split("/")
        if "\0" in name or any(part in ("", ".", "..") for part in parts) or "\\" in name:
            raise HematoVisionError(f"{where} names a file {name!r}, which leads out of its folder; it is not restored")


def recorded_digests(folder: Path) -> dict[str, str]:
    """SHA-256 by file of a restored snapshot, from its table; {} where the folder holds no snapshot."""
    table = folder / MANIFEST_NAME
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if not {STORED_AS, "sha256"} <= set(reader.fieldnames or ()):
            return {}
        return {row[STORED_AS]: row["sha256"] for row in reader}
