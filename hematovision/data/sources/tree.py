"""Walking a folder of strangers: hidden files left out, links to folders not followed, nothing read from outside."""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hematovision.errors import UnreadableImage, UsageError

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp"),
        # not decoded here, yet whoever has them expects to hear of them: they reach the quarantine
        *(".gif", ".jp2", ".avif", ".heic", ".heif", ".ppm", ".pgm", ".svs", ".ndpi", ".dcm"),
    )
)


def is_image_name(path: Path) -> bool:
    """Whether the suffix, in any case, is one of an image file."""
    return path.suffix.casefold() in IMAGE_SUFFIXES


def children(folder: Path) -> list[Path]:
    """The entries of a folder that are not hidden, sorted by name; UsageError where it may not be listed."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UsageError(f"{folder}: the folder cannot be listed: {error.strerror}") from error


def subfolders(folder: Path) -> list[Path]:
    """The real folders (no links) directly inside a folder, hidden ones left out, sorted by name."""
    return [path for path in children(folder) if path.is_dir() and not path.is_symlink()]


def walk(folder: Path) -> Iterator[Path]:
    """Every file below a folder, sorted by name within each folder; a link to a folder is yielded, not followed."""
    for path in children(folder):
        if path.is_dir() and not path.is_symlink():
            yield from walk(path)
        else:
            yield path


def has_images(folder: Path) -> bool:
    """Whether a file directly inside the folder has the suffix of an image."""
    return any(is_image_name(path) and not path.is_dir() for path in children(folder))


def relative_name(path: Path, root: Path) -> str:
    r"""The posix path below `root`; bytes that are no UTF-8 are written as `\xNN`, so that any table can hold it."""
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")


def count_suffixes(paths: Iterable[Path]) -> Mapping[str, int]:
    """How many files have which suffix, worded for people."""
    counts = Counter(path.suffix.casefold() for path in paths)
    return {f"{suffix!r} files" if suffix else "files without a suffix": counts[suffix] for suffix in sorted(counts)}


def read_inside(path: Path, *, root: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file at or below `root`, which must be resolved.

    UnreadableImage where it is missing, no regular file, over `max_bytes`, or led outside `root` by a link or `..`.
    """
    try:
        resolved = path.resolve()
        if not resolved.is_relative_to(root):
            raise UnreadableImage(f"leads outside the data folder, to {resolved}; copy the file into it")
        status = resolved.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImage("not a regular file" + (" but a folder" if stat.S_ISDIR(status.st_mode) else ""))
        if status.st_size > max_bytes:
            raise UnreadableImage(f"the file has {status.st_size:,} bytes, more than the limit of {max_bytes:,}")
        return resolved.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableImage("the file is missing" + (" (a broken link)" if path.is_symlink() else "")) from error
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links; ValueError: a NUL in the name
        raise UnreadableImage(f"the file cannot be read: {error}") from error
