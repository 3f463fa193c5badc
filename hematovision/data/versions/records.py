"""A kept data version, as a `.dvc` file that DVC's own commands understand, with what is known of it in its `meta`."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hematovision.data.versions.statement import Statement
from hematovision.errors import HematoVisionError

FORMAT = 1
_NAMESPACE = "hematovision"
_NAME_DIGITS = 16


class Ingestion(BaseModel):
    """Where the version was read from, and when for the first time (UTC, ISO 8601)."""

    model_config = ConfigDict(frozen=True)

    path: str
    time: str


class KeptVersion(BaseModel):
    """A data version whose bytes are kept.

    Attributes:
        version: the text of its `DataVersion`, as runs record it.
        content: MD5 under which DVC keeps it; ends in `.dir` for a folder.
        files, size: what is restored, size in bytes.
        name: of the restored file or folder.
        pinned: the bytes are the data set as a .dvc file pinned it; else the accepted cells and their labels.
        cells, classes: accepted cells, and how many a class.
        ingestions: every place it was read from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    version: str
    content: str = Field(pattern=r"^[0-9a-f]{32}(\.dir)?$")
    files: int
    size: int
    name: str
    pinned: bool
    cells: int
    classes: dict[str, int]
    synthetic: bool
    statement: Statement
    ingestions: list[Ingestion]

    @property
    def file_name(self) -> str:
        """Of the record, unique by content."""
        return f"{self.content[:_NAME_DIGITS]}.dvc"

    def also_from(self, others: Iterable[Ingestion]) -> Self:
        """The same version with further places it was read from, each once, the earliest first."""
        known: dict[str, Ingestion] = {}
        for found in sorted([*self.ingestions, *others], key=lambda item: item.time):
            known.setdefault(found.path, found)
        return self.model_copy(update={"ingestions": list(known.values())})


def write_record(folder: Path, kept: KeptVersion) -> None:
    """Write the `.dvc` file of a version, durably and in one step."""
    out = {"md5": kept.content, "size": kept.size, "hash": "md5", "path": kept.content[:_NAME_DIGITS]}
    if kept.content.endswith(".dir"):
        out["nfiles"] = kept.files
    text = yaml.safe_dump({"outs": [out], "meta": {_NAMESPACE: kept.model_dump()}}, sort_keys=False, allow_unicode=True)
    partial = folder / f".{kept.file_name}.{os.getpid()}"
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(folder / kept.file_name)


def read_record(file: Path) -> KeptVersion:
    """Read a `.dvc` file of `write_record`. Raises HematoVisionError naming a file that is none, or was altered."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        kept = KeptVersion.model_validate(content["meta"][_NAMESPACE])
        (out,) = content["outs"]
        if kept.format != FORMAT or out["md5"] != kept.content or kept.file_name != file.name:
            raise ValueError("its parts do not belong together")
    except (yaml.YAMLError, ValidationError, KeyError, TypeError, ValueError) as problem:
        raise HematoVisionError(f"{file} is no record of a data version any more: {problem}") from problem
    return kept


def read_records(folder: Path) -> list[KeptVersion]:
    """Every version kept in a folder, the earliest first. Raises HematoVisionError as `read_record` does."""
    found = [read_record(file) for file in folder.glob("[0-9a-f]*.dvc")] if folder.is_dir() else []
    return sorted(found, key=lambda kept: (kept.ingestions[0].time, kept.content))
