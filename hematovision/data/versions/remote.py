"""Where kept data versions are kept a second time: a folder, or S3, SSH, HTTP and whatever else DVC reaches."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from hematovision.data.versions.keeping import KeptVersions
from hematovision.data.versions.records import KeptVersion
from hematovision.data.versions.restoring import contents, damaged, is_whole, refuse_existing, restore
from hematovision.data.versions.settings import RemoteSettings
from hematovision.errors import HematoVisionError, UsageError

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.hash_info import HashInfo

_NAMED = 5


class Moved(BaseModel):
    """What a push or a pull did: files that travelled; the others were there already."""

    model_config = ConfigDict(frozen=True)

    remote: str
    versions: list[str]
    files: int


def remote_address(settings: RemoteSettings, default: Path) -> str:
    """The remote in force."""
    return settings.remote or str(default)


def push(versions: KeptVersions, chosen: Sequence[KeptVersion], address: str, options: dict[str, Any]) -> Moved:
    """Copy versions to the remote; what is there already is left alone.

    Raises:
        HematoVisionError: bytes are missing or damaged here, or the remote refused; nothing incomplete is listed there.
    """
    for kept in chosen:
        lost = damaged(kept, versions)
        if lost:
            raise HematoVisionError(f"{kept.version} is damaged here and was not pushed: {_named(lost)}")
    with _remote(versions, address, options) as (here, there):
        count = sum(_transfer(here, there, kept, versions, address) for kept in chosen)
    return Moved(remote=address, versions=[kept.version for kept in chosen], files=count)


def pull(versions: KeptVersions, chosen: Sequence[KeptVersion], address: str, options: dict[str, Any]) -> Moved:
    """Copy what is missing or damaged here from the remote, every byte checked.

    Raises:
        HematoVisionError: the remote lacks files, or holds damaged ones; the message names them.
    """
    with _remote(versions, address, options) as (here, there):
        count = 0
        for kept in chosen:
            count += _fetch_listing(here, there, kept, versions, address)
            lost = damaged(kept, versions)
            for name in lost:
                versions.object(contents(kept, versions)[name]).unlink(missing_ok=True)
            if lost:
                count += _transfer(there, here, kept, versions, address)
    return Moved(remote=address, versions=[kept.version for kept in chosen], files=count)


def restore_from_anywhere(
    kept: KeptVersion,
    versions: KeptVersions,
    target: Path,
    address: str,
    options: dict[str, Any],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """`restore`, after taking from the remote what is missing or damaged here.

    Raises:
        UsageError: something lies at `target`. HematoVisionError: neither here nor there; the message names the files.
    """
    refuse_existing(target)
    if not is_whole(kept, versions):
        pull(versions, [kept], address, options)
    return restore(kept, versions, target, progress=progress)


@contextmanager
def _remote(versions: KeptVersions, address: str, options: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """DVC's databases here and there; DVC's own configuration beside (`config.local`) is read too."""
    from dvc.config import ConfigError
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    site = {"site_cache_dir": str(versions.folder / ".dvc" / "tmp" / "site"), "remote": "versions"}
    remote = {"versions": {"url": address, "verify": True, **options}}
    try:
        with Repo(str(versions.folder), config={"core": site, "remote": remote}) as repo:
            yield repo.cache.local, _database(repo)
    except ConfigError as problem:
        raise UsageError(f"data_versions: DVC does not take these settings of a remote: {problem}") from problem
    except DvcException as problem:
        raise HematoVisionError(f"The remote {address} cannot be used: {problem}") from problem


def _database(repo: "Repo") -> Any:
    from dvc_objects.fs.errors import RemoteMissingDepsError

    try:
        return repo.cloud.get_remote_odb("versions")
    except RemoteMissingDepsError as problem:
        raise UsageError(
            f"data_versions.remote: {problem.url or problem.protocol} needs a package that is not installed: "
            f"{', '.join(problem.missing_deps)} (pip install 'dvc[{problem.protocol}]')"
        ) from problem


def _transfer(source: Any, target: Any, kept: KeptVersion, versions: KeptVersions, address: str) -> int:
    """Files that travelled. Raises HematoVisionError naming those that could not, and the first reason."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.transfer import transfer

    asked = HashInfo("md5", kept.content)
    try:
        with _reasons() as reasons:
            moved, failed = transfer(source, target, {asked}, verify=True, cache_odb=_cache(versions), shallow=False)
    except OSError as problem:
        raise HematoVisionError(f"{address} cannot be reached: {problem}") from problem
    lost = _unmoved(failed, kept, versions) if failed else damaged(kept, versions)
    if lost:
        why = f" ({reasons[0]})" if reasons else ""
        raise HematoVisionError(
            f"{kept.version}: {len(lost)} files could not be copied, or are missing or damaged in {address}: "
            f"{_named(lost)}{why}"
        )
    return len(moved)


@contextmanager
def _reasons() -> Iterator[list[str]]:
    """Why files did not travel: DVC tells its log alone, with a page of traceback each."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(str(record.exc_info[1] if record.exc_info else record.getMessage()))

    logger, handler = logging.getLogger("dvc_data.hashfile.transfer"), Collector(logging.ERROR)
    before = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def _cache(versions: KeptVersions) -> Any:
    from dvc_data.hashfile.db.local import LocalHashFileDB
    from dvc_objects.fs.local import LocalFileSystem

    return LocalHashFileDB(LocalFileSystem(), str(versions.cache))


def _unmoved(failed: "set[HashInfo]", kept: KeptVersion, versions: KeptVersions) -> list[str]:
    digests = {found.value for found in failed}
    return sorted(name or kept.name for name, md5 in contents(kept, versions).items() if md5 in digests)


def _fetch_listing(here: Any, there: Any, kept: KeptVersion, versions: KeptVersions, address: str) -> int:
    """The list of a folder's files, taken from the remote where it is missing or damaged here."""
    try:
        contents(kept, versions)
    except HematoVisionError:
        place = versions.object(kept.content)
        place.unlink(missing_ok=True)
        try:
            here.add(there.oid_to_path(kept.content), there.fs, kept.content, verify=True)
            contents(kept, versions)
        except (OSError, HematoVisionError) as problem:
            raise HematoVisionError(
                f"{kept.version}: {address} does not hold it, or holds a damaged list of its files"
            ) from problem
        return 1
    return 0


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
