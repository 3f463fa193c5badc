"""Where labelled images come from: one interface, four layouts. `open_source` recognises which one a path holds."""

from pathlib import Path

from hematovision.data.sources.base import Item, Source, SourceKind
from hematovision.data.sources.class_folder import ClassFolder
from hematovision.data.sources.csv_manifest import MANIFEST_NAME, CsvManifest
from hematovision.data.sources.medmnist import MedMnist
from hematovision.data.sources.recognition import LAYOUTS, recognise
from hematovision.data.sources.voc import Voc
from hematovision.errors import UsageError

__all__ = ["Item", "Source", "SourceKind", "open_source"]


def open_source(path: Path, *, kind: SourceKind | None = None, voc_margin: float, max_pixels: int) -> Source:
    """Open the data set at `path`, a folder or one .npz or .csv file; its layout is recognised unless `kind` names it.

    `voc_margin` is the share of a box's width and height cropped around it besides (Pascal VOC only); photographs and
    images of more than `max_pixels` pixels are not decoded. Folders that only wrap the data set are gone through.

    UsageError where nothing is there, nothing of a known layout is, or more than one data set.
    """
    place, found = recognise(path, kind)
    match found:
        case SourceKind.MEDMNIST:
            source: Source = MedMnist(place, max_pixels=max_pixels)
        case SourceKind.CSV_MANIFEST:
            table = place / MANIFEST_NAME if place.is_dir() else place
            source = CsvManifest(table, max_pixels=max_pixels)
        case SourceKind.VOC:
            source = Voc(place, margin=voc_margin, max_pixels=max_pixels)
        case SourceKind.CLASS_FOLDER:
            source = ClassFolder(place, max_pixels=max_pixels)
    if not len(source):
        raise UsageError(f"{path}: holds no images of the layout {found}. {LAYOUTS}")
    return source
