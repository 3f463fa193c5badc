"""Digests of the files that records name, measured anew."""

import hashlib
import json
from pathlib import Path

from hematovision.errors import HematoVisionError, UsageError

DIGESTS = "digests.json"
PASSING = {"__pycache__", "registered_model_meta"}
"""What Python and MLflow write beside a model when it is loaded."""


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_digest(folder: Path) -> str:
    """SHA-256 over the names and digests of all files below a folder, in hex; links are not followed."""
    found = {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and not PASSING & set(path.relative_to(folder).parts)
    }
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def package_files(folder: Path) -> dict[str, Path]:
    """The files of a model package by name, its list of digests first.

    Raises:
        HematoVisionError: the list cannot be read, or a file is missing or is not the one listed.
    """
    try:
        listed = json.loads((folder / DIGESTS).read_bytes())
        files = {name: folder / name for name in listed if Path(name).name == name}
    except (OSError, ValueError, TypeError) as error:
        raise HematoVisionError(f"{folder / DIGESTS} cannot be read: {error}") from error
    for name, path in files.items():
        if not path.is_file() or file_digest(path) != listed[name]:
            raise HematoVisionError(f"{path} is missing or was replaced")
    return {DIGESTS: folder / DIGESTS, **files}


def measure(path: Path) -> str | None:
    """The digest of what lies at a path: a file's, or of a model package that of its list; None where nothing lies.

    Raises:
        HematoVisionError: it cannot be read, or is a package with a file that is missing or is not the one listed.
    """
    try:
        if path.is_dir():
            return file_digest(package_files(path)[DIGESTS])
        return file_digest(path) if path.is_file() else None
    except OSError as error:
        raise HematoVisionError(f"it cannot be read: {error.strerror}") from error


def inside(root: Path, name: str) -> Path:
    """A path below a folder.

    Raises:
        UsageError: it would lie outside.
    """
    try:
        path = (root / name).resolve() if "\0" not in name else root
    except (OSError, ValueError, RuntimeError) as error:  # too long, no text, a loop of links
        raise UsageError(f"{name!r} is no path: {error}") from error
    if path == root.resolve() or not path.is_relative_to(root.resolve()):
        raise UsageError(f"{name!r} does not lie in {root}")
    return path
