"""What every source of labelled images is: an ordered series of items, each a name, a label and a way to its bytes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NoReturn, Protocol

from hematovision.errors import UnreadableImage


class SourceKind(StrEnum):
    """The layouts that can be read."""

    CLASS_FOLDER = "class-folder"
    MEDMNIST = "medmnist"
    VOC = "voc"
    CSV_MANIFEST = "csv-manifest"


@dataclass(frozen=True)
class Item:
    """One labelled image of a source.

    `path` is its name inside the source, as a person knows it (posix style); `label` is stripped and may be empty;
    `group` is the patient, slide or photograph it comes from and `split` one of '', 'train', 'validation', 'test', both
    '' where the source does not know. `load()` returns the bytes of an image file, or raises UnreadableImage with the
    reason; it may be called from any thread, more than once. `attributes` are what the source says of the image
    besides, a word by name, such as nucleus_shape: round.
    """

    path: str
    label: str
    group: str
    split: str
    load: Callable[[], bytes]
    attributes: Mapping[str, str] = field(default_factory=dict)


class Source(Protocol):
    """A data set on disk, opened by `open_source`; its structure is read, its images are not."""

    @property
    def kind(self) -> SourceKind:
        """Which layout it has."""
        ...

    @property
    def root(self) -> Path:
        """The folder, or the single file, its item paths are relative to."""
        ...

    @property
    def ignored(self) -> Mapping[str, int]:
        """How many files of what sort are no part of the data set, e.g. {"'.csv' files": 1}."""
        ...

    def __len__(self) -> int:
        """The number of items."""
        ...

    def items(self) -> Iterator[Item]:
        """The images, in an order that depends on the source only."""
        ...


def refused(path: str, reason: str, *, label: str = "", group: str = "", split: str = "") -> Item:
    """An item that cannot be loaded: it takes its reason into the quarantine."""

    def load() -> NoReturn:
        raise UnreadableImage(reason)

    return Item(path, label, group, split, load)


_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
    "test_simple": "test",  # a folder of the Kaggle blood-cell set
}


def split_named(name: str) -> str | None:
    """The split a folder or a table cell names ('train', 'validation', 'test'), in any case, or None."""
    return _SPLITS.get(name.strip().casefold().replace("-", "_"))
