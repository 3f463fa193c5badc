"""A kept data version back on disk: every byte checked, nothing written outside the folder named, all or nothing."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hematovision.data.versions.keeping import KeptVersions
from hematovision.data.versions.records import KeptVersion
from hematovision.data.versions.snapshot import recorded_digests, refuse_escapes
from hematovision.errors import HematoVisionError, UsageError

_NAMED = 5


def contents(kept: KeptVersion, versions: KeptVersions) -> dict[str, str]:
    """MD5 by file of a version, '' the name where it is a single file.

    Raises:
        HematoVisionError: the list of the files is missing or damaged.
    """
    if not kept.content.endswith(".dir"):
        return {"": kept.content}
    listing = versions.object(kept.content)
    data = listing.read_bytes() if listing.is_file() else b""
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != kept.content.removesuffix(".dir"):
        raise HematoVisionError(f"{kept.version}: the list of its files is missing or damaged ({listing}). {_REMEDY}")
    files = {entry["relpath"]: entry["md5"] for entry in json.loads(data)}
    refuse_escapes(files, where=f"data version {kept.version}")
    return files


_REMEDY = "`hematovision data pull` takes it from the remote; reading the data set again restores it too"


def damaged(kept: KeptVersion, versions: KeptVersions) -> list[str]:
    """Files of a version whose bytes are missing or not what was kept, by name; every byte is read."""
    return sorted(name for name, md5 in contents(kept, versions).items() if _bytes(versions, md5) is None)


def is_whole(kept: KeptVersion, versions: KeptVersions) -> bool:
    """Whether every byte of a version is here."""
    try:
        return not damaged(kept, versions)
    except HematoVisionError:
        return False


def refuse_existing(target: Path) -> None:
    """Raise UsageError where something lies at `target`: nothing is overwritten."""
    if os.path.lexists(target):
        raise UsageError(f"{target} exists already; name a folder that does not.")


def restore(
    kept: KeptVersion,
    versions: KeptVersions,
    target: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a version to `target`, which must not exist; it appears only when whole and checked.

    Files are copies: changing one changes nothing that is kept.

    Raises:
        UsageError: something lies at `target`.
        HematoVisionError: bytes are missing or damaged; the message names the files.
    """
    refuse_existing(target)
    files = contents(kept, versions)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:64]}."))
    try:
        whole = staging / "data"
        _write_all(kept, versions, files, whole, progress)
        _check_pictures(kept, whole)
        whole.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _write_all(
    kept: KeptVersion,
    versions: KeptVersions,
    files: dict[str, str],
    whole: Path,
    progress: Callable[[int, int], None] | None,
) -> None:
    lost = []
    for done, (name, md5) in enumerate(files.items(), start=1):
        data = _bytes(versions, md5)
        if data is None:
            lost.append(name or kept.name)
        elif not lost:
            place = whole / name if name else whole
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        if progress:
            progress(done, len(files))
    if lost:
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        named = ", ".join(sorted(lost)[:_NAMED])
        raise HematoVisionError(
            f"{kept.version}: {len(lost)} of {len(files)} files are missing or damaged: {named}{more}. {_REMEDY}"
        )


def _bytes(versions: KeptVersions, md5: str) -> bytes | None:
    try:
        data = versions.object(md5).read_bytes()
    except FileNotFoundError:
        return None
    return data if hashlib.md5(data, usedforsecurity=False).hexdigest() == md5 else None


def _check_pictures(kept: KeptVersion, folder: Path) -> None:
    """A snapshot's table names SHA-256s: MD5 alone does not keep out a file made to collide."""
    if kept.pinned:
        return
    wrong = [name for name, sha256 in recorded_digests(folder).items() if _sha256(folder / name) != sha256]
    if wrong:
        raise HematoVisionError(f"{kept.version}: not the picture that was read: {', '.join(sorted(wrong)[:_NAMED])}")


def _sha256(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
