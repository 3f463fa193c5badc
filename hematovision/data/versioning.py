"""Which data this is: the version a `.dvc` file pins, or a manifest's digest; and proof that the disk agrees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from hematovision.data.manifest import manifest_digest
from hematovision.errors import GateRefused, HematoVisionError, UsageError

if TYPE_CHECKING:
    import pandas as pd
    from dvc.output import Output
    from dvc.repo import Repo

Regenerate = Callable[[Path], None]
_NAMED = 5
_REMEDY = "Restore the files, or pin the new data on purpose with `hematovision data pin PATH`"


class DataVersion(BaseModel):
    """What lineage records of the data behind a run.

    `digest` is the MD5 that DVC pins (ending in `.dir` for a folder) or the SHA-256 of a manifest (`manifest_digest`),
    by `kind`; `files` the number of files or images; `size` in bytes, where known; `path` as a person gave it.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["dvc", "manifest"]
    digest: str
    files: int
    size: int | None
    path: str

    def __str__(self) -> str:
        return f"{'md5' if self.kind == 'dvc' else 'sha256'}:{self.digest}"


def data_version(dvc_file: Path) -> DataVersion:
    """The version that a `.dvc` file of one output pins, read from the file alone.

    Raises UsageError naming the file where it is missing or no such file.
    """
    import yaml

    try:
        (out,) = yaml.safe_load(dvc_file.read_text(encoding="utf-8"))["outs"]
        if out["hash"] != "md5":
            raise ValueError(f"hash {out['hash']!r} instead of 'md5'")
        return DataVersion(
            kind="dvc", digest=out["md5"], files=out.get("nfiles", 1), size=out["size"], path=out["path"]
        )
    except FileNotFoundError as problem:
        raise UsageError(f"{dvc_file}: no such file") from problem
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as problem:
        raise UsageError(f"{dvc_file}: not a .dvc file of one output as DVC 3 writes it: {problem}") from problem


def manifest_version(manifest: pd.DataFrame, path: str) -> DataVersion:
    """The version of data that no `.dvc` file pins: the digest of their manifest."""
    return DataVersion(kind="manifest", digest=manifest_digest(manifest), files=len(manifest), size=None, path=path)


def verify_pinned(dvc_file: Path, *, regenerate: Regenerate | None = None) -> DataVersion:
    """Check every byte on disk against what `dvc_file` pins; the times of the files are not trusted.

    Raises GateRefused naming each changed, missing and extra file. DVC keeps the list of the pinned files in its cache;
    where a clone has none, `regenerate` (which writes the data anew into the folder given) recovers it.
    """
    version = data_version(dvc_file)
    with _pinned_output(dvc_file) as out:
        _verified(out, version, regenerate)
    return version


def ensure_cached(dvc_file: Path, *, regenerate: Regenerate | None = None) -> DataVersion:
    """`verify_pinned`, then copy the data into DVC's cache where it is not there yet, so that `dvc status` is clean.

    The `.dvc` file is never written.
    """
    from dvc_data.hashfile.transfer import transfer

    version = data_version(dvc_file)
    with _pinned_output(dvc_file) as out:
        staging, tree = _verified(out, version, regenerate)
        if out.changed_cache():
            transfer(staging, out.cache, {tree.hash_info}, shallow=False)
    return version


def move_pin(path: Path) -> tuple[DataVersion | None, DataVersion]:
    """Pin what lies at `path` now, as `dvc add` does; every byte is read, and copied into DVC's cache.

    Returns:
        The version pinned before, or None, and the version pinned now.

    Raises:
        UsageError: nothing lies at the path, or no .dvc folder above it.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder to pin")
    dvc_file = path.with_name(f"{path.name}.dvc")
    before = data_version(dvc_file) if dvc_file.exists() else None
    with _repository(dvc_file) as repo:
        repo.add(str(path.resolve()))
    return before, data_version(dvc_file)


def pinned_files(dvc_file: Path) -> dict[str, str]:
    """MD5 by file of the data beside a `.dvc` file, every byte checked against it; '' names a single file.

    Raises GateRefused as `verify_pinned` does.
    """
    version = data_version(dvc_file)
    with _pinned_output(dvc_file) as out:
        _, found = _verified(out, version, None)
    return _files(found) if version.digest.endswith(".dir") else {"": version.digest}


@contextmanager
def _pinned_output(dvc_file: Path) -> Iterator[Output]:
    with _repository(dvc_file) as repo:
        (stage,) = repo.stage.load_file(str(dvc_file.resolve()))
        yield stage.outs[0]


@contextmanager
def _repository(dvc_file: Path) -> Iterator[Repo]:
    """The repository of a `.dvc` file, open; no git is needed, and DVC's own state stays in its `.dvc/tmp`."""
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    try:
        root = Path(Repo.find_root(str(dvc_file.resolve().parent)))
        inside = {"core": {"site_cache_dir": str(root / ".dvc" / "tmp" / "site"), "no_scm": True}}
        with Repo(str(root), config=inside) as repo:
            yield repo
    except NotDvcRepoError as problem:
        raise UsageError(
            f"{dvc_file}: no .dvc folder beside or above it: clone the project with its .dvc folder"
        ) from problem
    except DvcException as problem:
        raise HematoVisionError(f"{dvc_file}: DVC cannot read it or its data: {problem}") from problem


def _build(out: Output, path: Path, ignore: Any = None) -> tuple[Any, Any]:
    """The staging database and the object (a tree for a folder) of what lies at `path`, every file hashed anew."""
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.state import StateNoop

    out.cache.state = StateNoop()
    staging, _, found = build(out.cache, str(path), out.fs, "md5", ignore=ignore)
    return staging, found


def _verified(out: Output, version: DataVersion, regenerate: Regenerate | None) -> tuple[Any, Any]:
    data = Path(out.fs_path)
    if not data.exists():
        raise GateRefused(f"{version.path}: the pinned data are missing; generate them or pull them with DVC")
    staging, found = _build(out, data, out.dvcignore)
    if found.hash_info.value == version.digest:
        return staging, found
    if not version.digest.endswith(".dir") or not data.is_dir():
        raise GateRefused(f"{version.path}: changed since it was pinned. {_REMEDY}")
    pinned = out.get_obj() or _regenerated(out, version, regenerate)
    told = _sums(version, found) if pinned is None else _difference(_files(pinned), _files(found))
    raise GateRefused(f"{version.path} is not what its .dvc file pins: {told}. {_REMEDY}")


def _regenerated(out: Output, version: DataVersion, regenerate: Regenerate | None) -> Any | None:
    if regenerate is None:
        return None
    with TemporaryDirectory(dir=out.repo.tmp_dir) as folder:
        regenerate(Path(folder))
        _, tree = _build(out, Path(folder))
    return tree if tree.hash_info.value == version.digest else None


def _files(tree: Any) -> dict[str, str]:
    return {"/".join(key): info.value for key, _, info in tree}


def _difference(pinned: dict[str, str], found: dict[str, str]) -> str:
    kinds = {
        "changed": sorted(name for name in pinned.keys() & found.keys() if pinned[name] != found[name]),
        "missing": sorted(pinned.keys() - found.keys()),
        "extra": sorted(found.keys() - pinned.keys()),
    }
    return "; ".join(
        f"{len(names)} {kind}: {', '.join(names[:_NAMED])}{' …' if len(names) > _NAMED else ''}"
        for kind, names in kinds.items()
        if names
    )


def _sums(version: DataVersion, tree: Any) -> str:
    size = sum(meta.size or 0 for _, meta, _ in tree)
    return (
        f"{len(_files(tree))} files, {size} bytes instead of {version.files} files, {version.size} bytes "
        "(which files differ cannot be told: DVC's cache does not hold their list)"
    )
