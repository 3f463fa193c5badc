"""Pictures without regard to labels: image files, folders, photographs with boxes, archives; for a model to answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hematovision.data.ingestion import image_files
from hematovision.data.sources import SourceKind, open_source
from hematovision.data.sources.recognition import recognise
from hematovision.errors import UnreadableImage, UsageError

CUT_FROM_LARGER = (SourceKind.VOC, SourceKind.MEDMNIST)


@dataclass(frozen=True)
class Picture:
    """A picture by name; `load` gives its encoded bytes or raises UnreadableImage."""

    path: str
    load: Callable[[], bytes]


def _file(path: Path) -> Picture:
    def load() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise UnreadableImage(f"cannot be read: {error.strerror}") from error

    return Picture(str(path), load)


def _holds_cut_cells(path: Path) -> bool:
    try:
        return recognise(path, None)[1] in CUT_FROM_LARGER
    except UsageError:
        return False


def pictures_in(paths: Sequence[Path], *, voc_margin: float, max_pixels: int) -> list[Picture]:
    """Every picture at these paths, in order; cells are cut from photographs with boxes and taken out of archives.

    Raises:
        UsageError: a path is not there, or no picture is found.
    """
    found: list[Picture] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder.")
        if (path.is_dir() or path.suffix == ".npz") and _holds_cut_cells(path):
            source = open_source(path, voc_margin=voc_margin, max_pixels=max_pixels)
            found += [Picture(item.path, item.load) for item in source.items()]
        else:
            found += [_file(file) for file in image_files([path])]
    return found
