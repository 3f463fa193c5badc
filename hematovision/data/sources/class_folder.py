"""A folder per class, either at the top or below train, validation and test folders."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from hematovision.data.decoding import largest_file
from hematovision.data.sources.attributes import ATTRIBUTES_NAME, AttributeTable, Described, read_attributes
from hematovision.data.sources.base import Item, SourceKind, refused, split_named
from hematovision.data.sources.tree import (
    count_suffixes,
    is_image_name,
    read_inside,
    relative_name,
    subfolders,
    walk,
)

_NAMED = 10


class ClassFolder:
    """Images under a folder named as their class: `neutrophil/1.jpg`, or `train/neutrophil/1.jpg`.

    With split folders at the top the split is kept, else it is ''. Deeper folders belong to their class. Files without
    an image suffix are ignored and counted; an image outside every class folder and a link that leads outside the data
    folder, or to another folder, are items that cannot be loaded. An `attributes.csv` beside the class folders says
    more of its images (see `attributes.py`); rows that name no image are one more item that cannot be loaded.
    """

    kind = SourceKind.CLASS_FOLDER

    def __init__(self, root: Path, *, max_pixels: int) -> None:
        self.root = root.resolve()
        self._max_bytes = largest_file(max_pixels)
        self._has_splits = any(split_named(folder.name) for folder in subfolders(self.root))
        self._strangers: list[str] = []
        files = list(walk(self.root))
        self._images = [path for path in files if is_image_name(path) or path.is_dir()]
        table = self.root / ATTRIBUTES_NAME
        self._attributes = read_attributes(table) if table.is_file() else AttributeTable()
        used = {table} if self._attributes.rows else set()
        self.ignored: Mapping[str, int] = count_suffixes(set(files).difference(self._images, used))
        if used:
            self.ignored = {**self.ignored, **self._unmatched()}

    def _unmatched(self) -> dict[str, int]:
        """Counts what the attributes do not cover, and keeps the rows that name no image."""
        images = {relative_name(path, self.root) for path in self._images}
        self._strangers = sorted(set(self._attributes.rows) - images)
        bare = len(images - set(self._attributes.rows))
        counts = {f"images without a row in {ATTRIBUTES_NAME}": bare} if bare else {}
        return counts | {f"column {name!r} of {ATTRIBUTES_NAME}": 1 for name in self._attributes.left_out}

    def __len__(self) -> int:
        return len(self._images) + bool(self._strangers)

    def items(self) -> Iterator[Item]:
        """One item an image, by path."""
        yield from map(self._item, self._images)
        if self._strangers:
            named = ", ".join(self._strangers[:_NAMED]) + (", …" if len(self._strangers) > _NAMED else "")
            yield refused(ATTRIBUTES_NAME, f"{len(self._strangers)} of its rows name no image of this folder: {named}")

    def _item(self, path: Path) -> Item:
        name = relative_name(path, self.root)
        folders = name.split("/")[:-1]
        split = split_named(folders[0]) or "" if self._has_splits and folders else ""
        if path.is_dir():
            return refused(name, "a link to a folder is not followed; copy the folder to its place", split=split)
        if self._has_splits and folders and not split:
            return refused(name, f"lies in {folders[0]!r}, beside the train and test folders: of which split is it?")
        labels = folders[1:] if self._has_splits else folders
        if not labels:
            return refused(name, "lies outside every class folder, so it has no label", split=split)
        load = partial(read_inside, path, root=self.root, max_bytes=self._max_bytes)
        said = self._attributes.rows.get(name, Described("", {}))
        return Item(name, labels[0].strip(), said.group, split, load, said.attributes)


def is_class_folder(folder: Path) -> bool:
    """Whether a folder has subfolders with images, or split folders with such subfolders."""
    splits = [inner for inner in subfolders(folder) if split_named(inner.name)]
    classes = [inner for split in splits for inner in subfolders(split)] if splits else subfolders(folder)
    return any(_holds_images(inner) for inner in classes)


def _holds_images(folder: Path) -> bool:
    return any(is_image_name(path) for path in walk(folder))


def has_split_folders(folder: Path) -> bool:
    """Whether images lie below a train, validation or test folder at the top."""
    return any(split_named(inner.name) and _holds_images(inner) for inner in subfolders(folder))
