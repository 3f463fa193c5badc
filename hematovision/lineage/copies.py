"""Copies of pictures beside the stores: kept data versions, features, candidate pages, signatures of golden cells."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from hematovision.data.store import ImageStore
from hematovision.home import Home

_PICTURE = re.compile(r"data:image/(?:png|jpeg|webp);base64,[A-Za-z0-9+/=]+")
_BLANK = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA"
    "60e6kgAAAABJRU5ErkJggg=="
)
"""One transparent pixel."""
_SHOWS = re.compile(rb"data:image/(?:png|jpeg)")


def remove_kept(home: Home, sha256: str) -> int:
    """Delete an image from the kept data versions and from the local folder they are pushed to; how many files.

    DVC calls a content by its MD5, so the image store must still have the bytes: call this before they go.
    """
    source = ImageStore(home.images).path(sha256)
    if not source.is_file():
        return 0
    md5 = hashlib.md5(source.read_bytes(), usedforsecurity=False).hexdigest()
    cached = home.data_versions / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    pushed = home.data_remote / "files" / "md5" / md5[:2] / md5[2:]
    found = [path for path in (cached, pushed) if path.is_file()]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def remove_features(home: Home, sha256: str) -> int:
    """Delete the cached features of an image; returns how many files there were."""
    found = list(home.features.glob(f"*/{sha256[:2]}/{sha256}.safetensors"))
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def blank_candidates(home: Home, holds: Callable[[str], bool | None]) -> int:
    """Take all pictures out of the pages of candidates that may show an image; returns how many pages changed.

    Args:
        holds: whether the cells of a candidate (MANIFEST-GOLDEN) hold the image; None where that cannot be told, and
            then its pictures go too.
    """
    changed = 0
    for folder in sorted(home.runs.glob("candidate-*")):
        if holds(_cells(folder)) is not False:
            pages = [path for path in sorted(folder.rglob("*")) if path.suffix in (".html", ".json", ".md")]
            changed += sum(_blank(page) for page in pages)
    return changed


def _cells(candidate: Path) -> str:
    try:
        specification = json.loads((candidate / "package" / "spec.json").read_text(encoding="utf-8"))
        return f"{specification['manifest_digest']}-{specification['golden_digest']}"
    except (OSError, ValueError, KeyError):
        return ""


def _blank(page: Path) -> bool:
    text = page.read_text(encoding="utf-8")
    blanked = _PICTURE.sub(_BLANK, text)
    if blanked == text:
        return False
    partial = page.with_name(f".{page.name}.{os.getpid()}")
    partial.write_text(blanked, encoding="utf-8")
    partial.replace(page)
    return True


def remove_golden_signatures(home: Home) -> int:
    """Delete the kept signatures of golden cells: they hold small pictures; the feedback store makes them anew."""
    found = list((home.pictures / "golden").glob("*.npz"))
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def pages_with_pictures(home: Home) -> Iterator[Path]:
    """Pages of evaluations and monitoring that hold pictures; nothing says of which images."""
    for path in sorted(home.runs.rglob("*.html")):
        candidate = path.relative_to(home.runs).parts[0].startswith("candidate-")
        if not candidate and _SHOWS.search(path.read_bytes()):
            yield path
