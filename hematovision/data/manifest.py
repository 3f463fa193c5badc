"""The manifest: a table with one row per accepted cell image; what flows by value between the steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hematovision.errors import HematoVisionError

if TYPE_CHECKING:
    import pandas as pd

DEVELOPMENT, GOLDEN, HELD_OUT = "development", "golden", "held-out"
SOURCE_SPLITS = ("", "train", "validation", "test")

IDENTITY_COLUMNS: Mapping[str, str] = {
    "path": "str",
    "label": "str",
    "sha256": "str",
    "pixel_sha256": "str",
    "source_group": "str",
    "source_split": "str",
}
QUALITY_COLUMNS: Mapping[str, str] = {
    "width": "int64",
    "height": "int64",
    "brightness": "float64",
    "contrast": "float64",
    "sharpness": "float64",
    "saturation": "float64",
}
GROUP_COLUMNS: Mapping[str, str] = {"cluster": "str", "group": "str"}
SPLIT_COLUMNS: Mapping[str, str] = {"split": "str", "fold": "int64"}

INGESTED: Mapping[str, str] = {**IDENTITY_COLUMNS, **QUALITY_COLUMNS}
GROUPED: Mapping[str, str] = {**INGESTED, **GROUP_COLUMNS}
COMPLETE: Mapping[str, str] = {**GROUPED, **SPLIT_COLUMNS}

ATTRIBUTE = "attribute_"
"""Prefix of optional columns: what a source says of an image besides, as words, '' where it says nothing."""

SITE = f"{ATTRIBUTE}site"
"""Where a cell was pictured: two sites may give two slides the same name."""

_DIGEST_FORMAT = "hematovision manifest 1"


def check_columns(manifest: pd.DataFrame, columns: Sequence[str] | Mapping[str, str]) -> None:
    """Raise HematoVisionError when a column is missing, naming all that are; the order of columns is free."""
    missing = [column for column in columns if column not in manifest.columns]
    if missing:
        names = ", ".join(map(repr, missing))
        raise HematoVisionError(f"the manifest has no column {names}; it has {', '.join(map(str, manifest.columns))}")


def canonical(manifest: pd.DataFrame) -> pd.DataFrame:
    """The same rows sorted by path, the known columns first and in schema order, with the schema's types."""
    check_columns(manifest, ["path"])
    known = [column for column in COMPLETE if column in manifest.columns]
    further = sorted(column for column in manifest.columns if column not in COMPLETE)
    ordered = manifest[known + further].sort_values("path", kind="stable").reset_index(drop=True)
    return ordered.astype({column: COMPLETE.get(column, "str") for column in [*known, *attribute_columns(ordered)]})


def attribute_columns(manifest: pd.DataFrame) -> list[str]:
    """The optional columns that hold attributes, in order."""
    return [str(column) for column in manifest.columns if str(column).startswith(ATTRIBUTE)]


def manifest_digest(manifest: pd.DataFrame) -> str:
    """The identity of a data set: 64 hex digits of SHA-256 over its identity columns, whatever the order of its rows.

    Two data sets have the same digest when they hold the same bytes and pixels under the same paths, labels, source
    groups and source splits. Measurements, clusters and splits are derived and do not count; nor do attributes.
    """
    check_columns(manifest, IDENTITY_COLUMNS)
    rows = manifest[list(IDENTITY_COLUMNS)].astype(str).itertuples(index=False, name=None)
    digest = hashlib.sha256(_DIGEST_FORMAT.encode())
    for line in sorted(json.dumps(row, ensure_ascii=True) for row in rows):
        digest.update(b"\n" + line.encode())
    return digest.hexdigest()


def to_csv(manifest: pd.DataFrame) -> bytes:
    """The canonical CSV: UTF-8, rows by path, schema order of columns, LF line ends, floats that round-trip."""
    return canonical(manifest).to_csv(index=False, lineterminator="\n").encode()


def save_manifest(manifest: pd.DataFrame, path: Path) -> Path:
    """Write the canonical form to a `.csv` or `.parquet` file; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        path.write_bytes(to_csv(manifest))
    elif path.suffix == ".parquet":
        canonical(manifest).to_parquet(path, index=False)
    else:
        raise HematoVisionError(f"{path}: a manifest is saved as .csv or .parquet, not {path.suffix!r}")
    return path


def load_manifest(path: Path) -> pd.DataFrame:
    """Read what `save_manifest` wrote, with the schema's types; a label such as "NA" stays a label."""
    import pandas as pd

    if path.suffix == ".parquet":
        return canonical(pd.read_parquet(path))
    header = pd.read_csv(path, nrows=0).columns
    types = {name: COMPLETE.get(name, "str") for name in header if name in COMPLETE or name.startswith(ATTRIBUTE)}
    return canonical(pd.read_csv(path, dtype=types, keep_default_na=False))


def class_counts(manifest: pd.DataFrame) -> pd.DataFrame:
    """Images by class (rows, sorted) and by `split` or else `source_split` (columns), with a last column `total`."""
    import pandas as pd

    column = "split" if "split" in manifest.columns else "source_split"
    check_columns(manifest, ["label", column])
    table = pd.crosstab(manifest["label"], manifest[column].replace("", "unassigned"))
    table.columns.name = None
    return table.assign(total=table.sum(axis=1)).sort_index()
