"""Which layout a path has: looks at names only, and rather asks than guesses."""

from pathlib import Path

from hematovision.data.sources.base import SourceKind, split_named
from hematovision.data.sources.class_folder import has_split_folders, is_class_folder
from hematovision.data.sources.csv_manifest import MANIFEST_NAME
from hematovision.data.sources.tree import children, has_images, is_image_name, subfolders, walk
from hematovision.data.sources.voc import is_voc
from hematovision.errors import UsageError

LAYOUTS = """Layouts that can be read:
  class-folder   neutrophil/1.jpg, lymphocyte/2.jpg (or the same below train/, val/, test/)
  csv-manifest   manifest.csv with the columns path,label[,group][,split] beside the images
  voc            Annotations/1.xml with JPEGImages/1.jpg (or each .xml beside its photograph)
  medmnist       bloodmnist.npz with train_images, train_labels, …"""

_SUFFIXES = {
    ".npz": SourceKind.MEDMNIST,
    ".csv": SourceKind.CSV_MANIFEST,
    ".tsv": SourceKind.CSV_MANIFEST,
}


def recognise(path: Path, kind: SourceKind | None) -> tuple[Path, SourceKind]:
    """Where the data set at `path` begins, and its layout; `kind` names the layout where the user knows better.

    UsageError where nothing of a known layout is there, or several data sets are.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    if not path.is_dir():
        return path, _file_kind(path, kind)
    folder = _unwrapped(path)
    kinds = _folder_kinds(folder) if kind is None else [kind]
    if kinds == [SourceKind.MEDMNIST]:
        return _only_archive(folder), SourceKind.MEDMNIST
    if kinds == [SourceKind.CSV_MANIFEST] and not (folder / MANIFEST_NAME).is_file():
        raise UsageError(f"{folder}: there is no {MANIFEST_NAME} in it; name the CSV file itself")
    if len(kinds) > 1:
        raise UsageError(f"{folder}: could be read as {' or as '.join(kinds)}; say which it is")
    if not kinds or (kinds == [SourceKind.CLASS_FOLDER] and not is_class_folder(folder)):
        raise UsageError(_why_unknown(folder))
    if kind is None and kinds == [SourceKind.CLASS_FOLDER]:
        _refuse_several(folder)
    return folder, kinds[0]


def _file_kind(path: Path, kind: SourceKind | None) -> SourceKind:
    found = _SUFFIXES.get(path.suffix.casefold())
    if found is None:
        raise UsageError(f"{path}: a file of this sort is no data set (an archive must be unpacked first). {LAYOUTS}")
    if kind not in (None, found):
        raise UsageError(f"{path}: a {path.suffix} file is read as {found}, not as {kind}")
    return found


def _unwrapped(folder: Path) -> Path:
    """Go down through folders that hold nothing but one folder which is neither a class nor a split."""
    while not _kinds_here(folder) and not has_images(folder):
        inner = [path for path in subfolders(folder) if _holds_data(path)]
        if len(inner) != 1 or split_named(inner[0].name) or (has_images(inner[0]) and not _kinds_here(inner[0])):
            return folder
        folder = inner[0]
    return folder


def _kinds_here(folder: Path) -> list[SourceKind]:
    """The layouts a folder shows by files of its own, class folders aside."""
    kinds = {
        SourceKind.CSV_MANIFEST: (folder / MANIFEST_NAME).is_file(),
        SourceKind.VOC: is_voc(folder),
        SourceKind.MEDMNIST: bool(_archives(folder)),
    }
    return [kind for kind, there in kinds.items() if there]


def _folder_kinds(folder: Path) -> list[SourceKind]:
    kinds = _kinds_here(folder)
    if SourceKind.CSV_MANIFEST in kinds:
        return [SourceKind.CSV_MANIFEST]
    beside = [path for path in subfolders(folder) if not _belongs_to_voc(path)]
    if SourceKind.VOC in kinds:
        return kinds + [SourceKind.CLASS_FOLDER] * any(has_images(path) for path in beside)
    return kinds + [SourceKind.CLASS_FOLDER] * is_class_folder(folder)


def _belongs_to_voc(folder: Path) -> bool:
    return folder.name.casefold() in ("annotations", "jpegimages", "images") or bool(split_named(folder.name))


def _archives(folder: Path) -> list[Path]:
    return [path for path in children(folder) if path.suffix.casefold() == ".npz" and path.is_file()]


def _only_archive(folder: Path) -> Path:
    archives = _archives(folder)
    if len(archives) != 1:
        found = ", ".join(path.name for path in archives) or "none"
        raise UsageError(f"{folder}: one .npz file is wanted, {found} found; name the file itself")
    return archives[0]


def _holds_data(folder: Path) -> bool:
    suffixes = (".xml", *_SUFFIXES)
    return any(is_image_name(path) or path.suffix.casefold() in suffixes for path in walk(folder))


def _refuse_several(folder: Path) -> None:
    """A folder of data sets would pass for a folder of classes."""
    sets = [path for path in subfolders(folder) if not split_named(path.name) and _is_data_set(_unwrapped(path))]
    if sets:
        names = ", ".join(path.name for path in sets)
        raise UsageError(f"{folder}: holds whole data sets ({names}) instead of classes; name one of them")


def _is_data_set(folder: Path) -> bool:
    return bool(_kinds_here(folder)) or has_split_folders(folder)


def _why_unknown(folder: Path) -> str:
    images = sum(is_image_name(path) for path in walk(folder))
    if not images:
        return f"{folder}: holds no images. {LAYOUTS}"
    return f"{folder}: holds {images:,} images but nothing that says their classes. {LAYOUTS}"
