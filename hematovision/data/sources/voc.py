"""Pascal VOC annotations (Everingham et al., IJCV 2010): photographs with boxes, each box cropped to one cell."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from hematovision.data.decoding import Pixels, decode, encode_png, largest_file
from hematovision.data.sources.base import Item, SourceKind, refused, split_named
from hematovision.data.sources.tree import children, is_image_name, read_inside, relative_name, subfolders, walk
from hematovision.errors import UnreadableImage

_SIDES = ("xmin", "ymin", "xmax", "ymax")


class Voc:
    """The cells of annotated photographs: `Annotations/*.xml` with `JPEGImages/`, or each .xml beside its photograph.

    A box is cropped with `margin` of its own width and height added on every side, as far as the photograph reaches,
    and encoded as PNG; its name is `JPEGImages/x.jpg#3` (boxes counted from 0), its group the photograph. Annotations
    below a train, valid or test folder keep that split. An annotation that is broken or has no photograph, and a box
    without an area inside the photograph, are items that cannot be loaded. Photographs without a box are ignored and
    counted.
    Coordinates are read as 0-based and half open, so that equal corners enclose nothing.
    """

    kind = SourceKind.VOC

    def __init__(self, root: Path, *, margin: float, max_pixels: int) -> None:
        self.root = root.resolve()
        self._margin, self._max_pixels = margin, max_pixels
        files = [path for path in walk(self.root) if not path.is_dir()]
        self._photographs = _by_stem(path for path in files if is_image_name(path))
        self._used: set[Path] = set()
        self._items = [item for path in files if _is_annotation(path) for item in self._annotation(path)]
        unused = sum(map(len, self._photographs.values())) - len(self._used)
        self.ignored: Mapping[str, int] = {"photographs without boxes": unused} if unused else {}

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> Iterator[Item]:
        """One item a box, by annotation file and number of the box."""
        return iter(self._items)

    def _annotation(self, path: Path) -> list[Item]:
        split = split_named(path.relative_to(self.root).parts[0]) or ""
        try:
            annotation = _parse(read_inside(path, root=self.root, max_bytes=largest_file(self._max_pixels)))
            boxes = annotation.findall("object")
            file = self._photograph(path, annotation.findtext("filename") or "") if boxes else None
        except UnreadableImage as error:
            return [refused(relative_name(path, self.root), str(error), split=split)]
        if file is None:
            return []
        self._used.add(file)
        name = relative_name(file, self.root)
        photograph = _Photograph(file, self.root, self._max_pixels, uses=len(boxes))
        loads = [partial(_crop, photograph, number, box, self._margin) for number, box in enumerate(boxes)]
        labels = [(box.findtext("name") or "").strip() for box in boxes]
        return [Item(f"{name}#{number}", labels[number], name, split, load) for number, load in enumerate(loads)]

    def _photograph(self, annotation: Path, filename: str) -> Path:
        """The photograph an annotation speaks of: by the name it gives, else by its own; the nearest where several."""
        named = PurePosixPath(PureWindowsPath(filename).as_posix()).name
        same_stem = self._photographs.get(Path(named).stem, []) if named else []
        found = [path for path in same_stem if path.name == named] or same_stem
        found = found or self._photographs.get(annotation.stem, [])
        if not found:
            raise UnreadableImage(f"its photograph {named or annotation.stem!r} is missing")
        for folder in (annotation.parent, annotation.parent.parent):
            near = [path for path in found if path.is_relative_to(folder)]
            if len(near) == 1:
                return near[0]
        if len(found) > 1:
            places = ", ".join(relative_name(path, self.root) for path in found[:3])
            raise UnreadableImage(f"its photograph is there more than once: {places}")
        return found[0]


@dataclass(frozen=True)
class _Box:
    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def __str__(self) -> str:
        return f"({self.xmin:g}, {self.ymin:g}, {self.xmax:g}, {self.ymax:g})"

    def cut(self, image: Pixels, margin: float) -> Pixels:
        """The part of the image inside the box and its margin; UnreadableImage where they have no pixel in common."""
        height, width = image.shape[:2]
        inside_x = min(self.xmax, width) - max(self.xmin, 0)
        inside_y = min(self.ymax, height) - max(self.ymin, 0)
        if self.xmax <= self.xmin or self.ymax <= self.ymin:
            raise UnreadableImage(f"{self} has no area")
        if inside_x < 1 or inside_y < 1:
            raise UnreadableImage(f"{self} lies outside the photograph of {width}×{height} pixels")
        across, down = margin * (self.xmax - self.xmin), margin * (self.ymax - self.ymin)
        left, right = _clipped(self.xmin - across, width), _clipped(self.xmax + across, width)
        top, bottom = _clipped(self.ymin - down, height), _clipped(self.ymax + down, height)
        return np.ascontiguousarray(image[top:bottom, left:right])


class _Photograph:
    """A photograph that is decoded once for all its boxes, and forgotten when each has been cut."""

    def __init__(self, file: Path, root: Path, max_pixels: int, *, uses: int) -> None:
        self._file, self._root, self._max_pixels, self._uses = file, root, max_pixels, uses
        self._lock = threading.Lock()
        self._pixels: Pixels | None = None
        self._left = uses

    def pixels(self) -> Pixels:
        with self._lock:
            if self._pixels is None:
                self._pixels, self._left = self._decoded(), self._uses
            pixels, self._left = self._pixels, self._left - 1
            if self._left <= 0:
                self._pixels = None
            return pixels

    def _decoded(self) -> Pixels:
        try:
            data = read_inside(self._file, root=self._root, max_bytes=largest_file(self._max_pixels))
            return decode(data, max_pixels=self._max_pixels)
        except UnreadableImage as error:
            raise UnreadableImage(f"its photograph cannot be used: {error}") from error


def is_voc(folder: Path) -> bool:
    """Whether a folder, its Annotations folder or its split folders hold .xml files."""
    inner = [path for path in subfolders(folder) if path.name.casefold() == "annotations" or split_named(path.name)]
    return any(_is_annotation(path) for place in (folder, *inner) for path in children(place))


def _is_annotation(path: Path) -> bool:
    return path.suffix.casefold() == ".xml"


def _by_stem(paths: Iterator[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(path.stem, []).append(path)
    return found


def _parse(data: bytes) -> Element:
    try:
        annotation: Element = fromstring(data)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:  # LookupError: an unknown encoding
        raise UnreadableImage(f"the annotation is no readable XML: {error}") from error
    if annotation.tag != "annotation":
        raise UnreadableImage(f"not a Pascal VOC annotation: its root element is <{annotation.tag}>")
    return annotation


def _crop(photograph: _Photograph, number: int, element: Element, margin: float) -> bytes:
    pixels = photograph.pixels()
    try:
        return encode_png(_box(element).cut(pixels, margin))
    except UnreadableImage as error:
        raise UnreadableImage(f"box {number} {error}") from error


def _box(element: Element) -> _Box:
    texts = [element.findtext(f"bndbox/{side}") for side in _SIDES]
    try:
        sides = [float(text or "") for text in texts]
    except ValueError as error:
        raise UnreadableImage(f"has no readable corners: {dict(zip(_SIDES, texts, strict=True))}") from error
    if not np.isfinite(sides).all():
        raise UnreadableImage(f"has no readable corners: {sides}")
    return _Box(*sides)


def _clipped(position: float, size: int) -> int:
    return min(max(round(position), 0), size)
