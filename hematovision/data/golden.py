"""The frozen golden test set: written once for a data version and its split, checked at every later use."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from hematovision.data.manifest import COMPLETE, GOLDEN, IDENTITY_COLUMNS, SITE, check_columns, load_manifest, to_csv
from hematovision.errors import GateRefused, HematoVisionError, UsageError

if TYPE_CHECKING:
    import pandas as pd

_FORMAT = 1
_COLUMNS = [*IDENTITY_COLUMNS, "cluster", "group"]
_TABLE, _RECORD = "golden.csv", "golden.json"
_NAMED = 5
_REMEDY = "Restore the folder from a backup, or remove it to freeze the golden set anew"


@dataclass(frozen=True)
class GoldenSet:
    """A golden set as it lies in `folder`: its rows (identity columns, cluster, group) by path, and their digest.

    Attributes:
        sites: the site of each path whose source says one.
    """

    folder: Path
    digest: str
    data_version: str
    parameters: Mapping[str, object]
    rows: pd.DataFrame
    sites: Mapping[str, str] = field(default_factory=dict)


def freeze_golden(
    manifest: pd.DataFrame, folder: Path, *, data_version: str, parameters: Mapping[str, object]
) -> GoldenSet:
    """Write the golden rows of a split manifest below `folder`, in a place named by data version and split parameters.

    Freezing the same rows again changes nothing. Raises GateRefused when other rows are already frozen there: a golden
    set is never redrawn for data and parameters that have one. A kill half-way leaves no record, and the next call
    completes it.
    """
    rows = golden_part(manifest)
    if rows.empty:
        raise GateRefused("no image is in the golden set: nothing to freeze")
    table = to_csv(rows)
    record = _record(rows, rows_digest(rows), data_version, dict(parameters), _sites(manifest, rows))
    place = folder / _place(data_version, parameters)
    if (place / _RECORD).exists():
        return _unchanged(load_golden(place), record["digest"])
    place.mkdir(parents=True, exist_ok=True)
    _write_durably(place / _TABLE, table)
    _write_durably(place / _RECORD, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
    return load_golden(place)


def golden_part(manifest: pd.DataFrame) -> pd.DataFrame:
    """The golden rows of a split manifest, with the columns a golden set keeps."""
    check_columns(manifest, COMPLETE)
    return manifest.loc[manifest["split"] == GOLDEN, _COLUMNS]


def rows_digest(rows: pd.DataFrame) -> str:
    """The digest of a golden set that holds these rows, in hex."""
    return sha256(to_csv(rows)).hexdigest()


def load_golden(folder: Path, *, digest: str | None = None) -> GoldenSet:
    """Read a golden set and check it against its record and, where the caller kept one, its `digest`.

    Raises GateRefused naming the file and the rows that differ, UsageError where there is no golden set.
    """
    if not (folder / _RECORD).exists():
        raise UsageError(f"{folder}: no golden set here ({_RECORD} is missing)")
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        sealed = record.pop("seal")
    except (ValueError, KeyError, AttributeError) as problem:
        raise GateRefused(f"{folder / _RECORD}: not a golden set's record any more ({problem})") from problem
    if sealed != _seal(record):
        raise GateRefused(f"{folder / _RECORD}: altered since it was frozen. {_REMEDY}")
    if not (folder / _TABLE).exists():
        raise GateRefused(f"{folder / _TABLE}: missing. {_REMEDY}")
    if sha256((folder / _TABLE).read_bytes()).hexdigest() != record["digest"]:
        raise GateRefused(f"{folder / _TABLE}: altered since it was frozen: {_difference(folder, record)}. {_REMEDY}")
    if digest is not None and digest != record["digest"]:
        raise GateRefused(f"{folder}: another golden set than expected (digest {record['digest']}, expected {digest})")
    rows = load_manifest(folder / _TABLE)
    parts = (record["digest"], record["data_version"], record["parameters"])
    return GoldenSet(folder, *parts, rows=rows, sites=record.get("sites", {}))


def find_golden(folder: Path, digest: str) -> GoldenSet:
    """The golden set of this digest among those frozen below a folder. GateRefused where there is none."""
    for place in sorted(folder.glob(f"*/{_RECORD}")):
        if json.loads(place.read_text(encoding="utf-8")).get("digest") == digest:
            return load_golden(place.parent, digest=digest)
    raise GateRefused(f"{folder} holds no golden set {digest[:12]}: restore it from a backup; it is never redrawn.")


def assert_untouched(golden: GoldenSet, training_rows: pd.DataFrame, *, manifest: pd.DataFrame | None = None) -> None:
    """Raise GateRefused when a training row has the bytes, the pixels or the group of a golden cell, naming it.

    `manifest` is the table the training rows were grouped in, where that is newer than the golden set: a group may have
    been renamed since by what was added to it, so the golden cells are looked up in it too.
    """
    check_columns(training_rows, ["path", "sha256", "pixel_sha256", "group"])
    forbidden = {column: set(golden.rows[column]) for column in ("sha256", "pixel_sha256", "group")}
    if manifest is not None:
        forbidden["group"] |= set(manifest.loc[manifest["pixel_sha256"].isin(forbidden["pixel_sha256"]), "group"])
    for column, what in (("sha256", "file"), ("pixel_sha256", "picture"), ("group", "group")):
        touched = training_rows.loc[training_rows[column].isin(forbidden[column]), "path"]
        if len(touched):
            named = ", ".join(sorted(touched)[:_NAMED])
            raise GateRefused(
                f"{len(touched)} training images share their {what} with the golden set {golden.folder.name}, which is "
                f"never trained on: {named}. Leave these images, and their group, out of the training data"
            )


def _place(data_version: str, parameters: Mapping[str, object]) -> str:
    split = sha256(json.dumps(dict(parameters), sort_keys=True).encode()).hexdigest()
    return f"{sha256(data_version.encode()).hexdigest()[:12]}-{split[:12]}"


def _sites(manifest: pd.DataFrame, rows: pd.DataFrame) -> dict[str, str]:
    if SITE not in manifest.columns:
        return {}
    told = zip(rows["path"], manifest.loc[rows.index, SITE], strict=True)
    return {str(path): str(site) for path, site in told if site}


def _record(
    rows: pd.DataFrame, digest: str, data_version: str, parameters: dict[str, object], sites: dict[str, str]
) -> dict[str, object]:
    record: dict[str, object] = {
        "format": _FORMAT,
        "digest": digest,
        "n": len(rows),
        "classes": {str(label): int(n) for label, n in rows["label"].value_counts().sort_index().items()},
        "data_version": data_version,
        "parameters": parameters,
        "rows": _row_digests(rows),
        **({"sites": sites} if sites else {}),
    }
    return record | {"seal": _seal(record)}


def _row_digests(rows: pd.DataFrame) -> dict[str, str]:
    """A short digest of each row by its path, so that an altered table can be told row by row."""
    lines = (json.dumps(row) for row in rows[_COLUMNS].astype(str).itertuples(index=False, name=None))
    return dict(zip(rows["path"].astype(str), (sha256(line.encode()).hexdigest()[:16] for line in lines), strict=True))


def _seal(record: Mapping[str, object]) -> str:
    return sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _unchanged(frozen: GoldenSet, digest: object) -> GoldenSet:
    if frozen.digest != digest:
        raise GateRefused(
            f"{frozen.folder}: another golden set is frozen for this data version and these split parameters "
            f"(digest {frozen.digest}, now {digest}); a golden set is not redrawn: change the data version or the seed"
        )
    return frozen


def _difference(folder: Path, record: Mapping[str, dict[str, str]]) -> str:
    try:
        now = _row_digests(load_manifest(folder / _TABLE))
    except (ValueError, KeyError, HematoVisionError) as problem:
        return f"it is not a table any more ({problem})"
    then = record["rows"]
    kinds = {
        "changed": sorted(path for path in then.keys() & now.keys() if then[path] != now[path]),
        "missing": sorted(then.keys() - now.keys()),
        "extra": sorted(now.keys() - then.keys()),
    }
    told = [f"{len(paths)} {kind} ({', '.join(paths[:_NAMED])})" for kind, paths in kinds.items() if paths]
    return "; ".join(told) or "the same rows, written differently"


def _write_durably(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
