"""The MedMNIST archive (Yang et al., Scientific Data 2023): one .npz with images and labels of three splits."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from hematovision.data.decoding import Pixels, encode_png
from hematovision.data.sources.base import Item, SourceKind, refused
from hematovision.errors import UsageError

BLOODMNIST_CLASSES = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature_granulocyte",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
"""BloodMNIST's classes in the order of its labels 0–7 in MedMNIST's INFO (there `immature granulocytes(…)`)."""

_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_DAMAGE: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, ValueError, KeyError, TypeError, RuntimeError, MemoryError),
)
"""What reading damaged, encrypted or made-up archives raises."""


class MedMnist:
    """`{train,val,test}_images` (N×H×W or N×H×W×3, uint8, any size) and `{…}_labels` (N or N×1 integers) of an .npz.

    Class names are BloodMNIST's where the file is named after it, or where it holds colour images of exactly eight
    classes; else `class-0`, `class-1`, …. Images are streamed, never all in memory. No pickle is loaded.
    """

    kind = SourceKind.MEDMNIST

    def __init__(self, root: Path, *, max_pixels: int) -> None:
        self.root = root.resolve()
        self.ignored: Mapping[str, int] = {}
        self._max_pixels = max_pixels
        try:
            self._shapes, self._labels = _structure(self.root)
        except _DAMAGE as error:
            raise UsageError(f"{root}: not a readable MedMNIST .npz: {error}") from error
        self._classes = self._class_names()

    def __len__(self) -> int:
        return sum(len(labels) for labels in self._labels.values())

    def items(self) -> Iterator[Item]:
        """One item an image, named `train/17`, in the archive's order; UsageError where the archive is damaged."""
        for prefix in self._labels:
            yield from self._split_items(prefix)

    def _split_items(self, prefix: str) -> Iterator[Item]:
        shape = self._shapes[prefix]
        too_large = shape[1] * shape[2] > self._max_pixels
        for number, label in enumerate(self._labels[prefix]):
            if too_large:
                reason = f"the images are {shape[2]}×{shape[1]}, more than the limit of {self._max_pixels:,} pixels"
                yield refused(f"{prefix}/{number}", reason, label=self._classes[label], split=_SPLITS[prefix])
        if not too_large:
            for number, (label, frame) in enumerate(zip(self._labels[prefix], self._frames(prefix), strict=True)):
                load = partial(encode_png, frame)
                yield Item(f"{prefix}/{number}", self._classes[label], "", _SPLITS[prefix], load)

    def _frames(self, prefix: str) -> Iterator[Pixels]:
        shape = self._shapes[prefix]
        frame = shape[1:3] if shape[3:] in ((), (1,)) else shape[1:]
        size = int(np.prod(frame))
        with zipfile.ZipFile(self.root) as archive, archive.open(f"{prefix}_images.npy") as member:
            _header(member, prefix)
            for number in range(shape[0]):
                try:
                    yield np.frombuffer(_exactly(member, size), np.uint8).reshape(frame)
                except _DAMAGE as error:
                    raise UsageError(
                        f"{self.root}: damaged at image {prefix}/{number} ({error}); fetch the file again"
                    ) from error

    def _class_names(self) -> list[str]:
        present = set(np.concatenate(list(self._labels.values())).tolist())
        colour = all(shape[3:] == (3,) for shape in self._shapes.values())
        named = "bloodmnist" in self.root.stem.casefold() and max(present) < len(BLOODMNIST_CLASSES)
        if named or (colour and present == set(range(len(BLOODMNIST_CLASSES)))):
            return list(BLOODMNIST_CLASSES)
        return [f"class-{number}" for number in range(max(present) + 1)]


def _structure(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, npt.NDArray[np.int64]]]:
    shapes, labels = {}, {}
    with zipfile.ZipFile(path) as archive:
        members = set(archive.namelist())
        for prefix in (prefix for prefix in _SPLITS if f"{prefix}_images.npy" in members):
            with archive.open(f"{prefix}_images.npy") as images:
                shapes[prefix] = _header(images, prefix)
            with archive.open(f"{prefix}_labels.npy") as member:
                labels[prefix] = _checked_labels(np.lib.format.read_array(member, allow_pickle=False), prefix)
            if len(labels[prefix]) != shapes[prefix][0]:
                raise ValueError(f"{shapes[prefix][0]} images but {len(labels[prefix])} labels in {prefix!r}")
    if not any(len(numbers) for numbers in labels.values()):
        raise ValueError("it holds no images under train_images, val_images or test_images")
    return shapes, labels


def _header(member: IO[bytes], prefix: str) -> tuple[int, ...]:
    """The shape of the array that follows, its reader left at the first pixel; ValueError where it holds no images."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(member)
    if dtype != np.uint8:
        raise ValueError(f"{prefix}_images are {dtype}, not uint8")
    if len(shape) not in (3, 4) or shape[3:] not in ((), (1,), (3,)) or 0 in shape[1:]:
        raise ValueError(f"{prefix}_images have the shape {shape}, not N×H×W or N×H×W×3")
    if fortran:
        raise ValueError(f"{prefix}_images are stored column by column; save them with numpy.ascontiguousarray")
    return tuple(shape)


def _checked_labels(labels: npt.NDArray[np.generic], prefix: str) -> npt.NDArray[np.int64]:
    flat = labels.reshape(-1) if labels.ndim == 1 or labels.shape[1:] == (1,) else None
    if flat is None or flat.dtype.kind not in "iu":
        raise ValueError(f"{prefix}_labels are {labels.dtype} of shape {labels.shape}, not one whole number an image")
    if len(flat) and (flat.min() < 0 or flat.max() > 10_000):
        raise ValueError(f"{prefix}_labels run from {flat.min()} to {flat.max()}, which are no class numbers")
    return flat.astype(np.int64)


def _exactly(member: IO[bytes], size: int) -> bytes:
    data = member.read(size)
    if len(data) != size:
        raise EOFError("the file ends early")
    return data
