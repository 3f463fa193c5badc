"""The folder of kept data versions: a DVC repository without git, its cache filled by links to the stored pictures."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hematovision.data.sources.csv_manifest import MANIFEST_NAME
from hematovision.data.store import ImageStore
from hematovision.data.versioning import DataVersion, pinned_files
from hematovision.data.versions.records import Ingestion, KeptVersion, read_record, read_records, write_record
from hematovision.data.versions.snapshot import snapshot_names, snapshot_table
from hematovision.data.versions.statement import read_statement, statement_files
from hematovision.errors import HematoVisionError, UsageError

if TYPE_CHECKING:
    import pandas as pd
    from dvc_data.hashfile.db import HashFileDB

_CONFIG = "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"
_SHORTEST = 6


class KeptVersions:
    """Data versions in a folder. `dvc checkout`, `dvc push` and `dvc pull` work in it as in any DVC repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def cache(self) -> Path:
        """Where DVC keeps contents, named by their MD5."""
        return self.folder / ".dvc" / "cache" / "files" / "md5"

    def object(self, md5: str) -> Path:
        """Where a content lies, or would lie."""
        return self.cache / md5[:2] / md5[2:]

    def all(self) -> list[KeptVersion]:
        """Every version, the earliest first."""
        return read_records(self.folder)

    def find(self, asked: str) -> KeptVersion:
        """The version of this name, or whose digest begins so (6 digits or more).

        Where a version was kept with several contents (other attributes, another licence file), the latest of them.

        Raises:
            UsageError: none, or more than one version.
        """
        digest = asked.strip().removeprefix("md5:").removeprefix("sha256:").removesuffix(".dir")
        found = [kept for kept in self.all() if _answers(kept, digest)]
        if not found:
            raise UsageError(f"No data version {asked!r} is kept here; `hematovision data versions` lists them.")
        names = sorted({kept.version for kept in found})
        if len(names) > 1:
            raise UsageError(f"{asked!r} could be any of {', '.join(names)}; give more digits.")
        return found[-1]

    def keep(
        self, path: Path, version: DataVersion, manifest: pd.DataFrame, images: ImageStore, *, synthetic: bool
    ) -> KeptVersion:
        """Keep the bytes of what was ingested from `path`, so that it can be restored when `path` is gone.

        Accepted pictures are linked from the image store (copied where no link is possible); keeping the same data
        again writes nothing but the place they were read from.

        Args:
            version: what the run records. manifest: accepted cells, with their labels.
        """
        self._prepare()
        with self._writing():
            if version.kind == "dvc":
                content, sizes = self._keep_pinned(path, version, manifest, images)
            else:
                content, sizes = self._keep_snapshot(path, manifest, images)
            kept = KeptVersion(
                version=str(version),
                content=content,
                files=len(sizes),
                size=sum(sizes),
                name=_folder_name(path),
                pinned=version.kind == "dvc",
                cells=len(manifest),
                classes={str(label): int(n) for label, n in manifest["label"].value_counts().sort_index().items()},
                synthetic=synthetic,
                statement=read_statement(path),
                ingestions=[Ingestion(path=str(path), time=datetime.now(UTC).isoformat(timespec="seconds"))],
            )
            return self._recorded(kept)

    def _prepare(self) -> None:
        config = self.folder / ".dvc" / "config"
        if not config.exists():
            config.parent.mkdir(parents=True, exist_ok=True)
            config.write_text(_CONFIG)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with (self.folder / ".dvc" / "keeping.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _recorded(self, kept: KeptVersion) -> KeptVersion:
        file = self.folder / kept.file_name
        before = read_record(file) if file.exists() else None
        merged = before.also_from(kept.ingestions) if before else kept
        if merged != before:
            write_record(self.folder, merged)
        return merged

    def _database(self) -> HashFileDB:
        from dvc_data.hashfile.db.local import LocalHashFileDB
        from dvc_objects.fs.local import LocalFileSystem

        return LocalHashFileDB(LocalFileSystem(), str(self.cache))

    def _keep_snapshot(self, path: Path, manifest: pd.DataFrame, images: ImageStore) -> tuple[str, list[int]]:
        names = snapshot_names(manifest)
        pictures = dict(zip(manifest["path"].astype(str), manifest["sha256"].astype(str), strict=True))
        linked = {names[name]: images.path(sha256) for name, sha256 in pictures.items()}
        written = {file.name: file.read_bytes() for file in statement_files(path)}
        written[MANIFEST_NAME] = snapshot_table(manifest, names)
        files = {name: _md5_of(file) for name, file in linked.items()}
        self._link([linked[name] for name in files], list(files.values()))
        files |= {name: self._write(data) for name, data in written.items()}
        sizes = [file.stat().st_size for file in linked.values()] + [len(data) for data in written.values()]
        return self._keep_listing(files), sizes

    def _keep_pinned(
        self, path: Path, version: DataVersion, manifest: pd.DataFrame, images: ImageStore
    ) -> tuple[str, list[int]]:
        files = pinned_files(path.with_name(f"{path.name}.dvc"))
        stored = {_md5_of(file): file for file in map(images.path, manifest["sha256"].unique())}
        linked = [md5 for md5 in set(files.values()) if md5 in stored]
        self._link([stored[md5] for md5 in linked], linked)
        for name, md5 in files.items():
            if not self.object(md5).exists() and self._write((path / name if name else path).read_bytes()) != md5:
                raise HematoVisionError(f"{path / name} changed while it was read; run again")
        sizes = [self.object(md5).stat().st_size for md5 in files.values()]
        if version.digest.endswith(".dir"):
            self._keep_listing(files)
        return version.digest, sizes

    def _link(self, sources: Sequence[Path], digests: Sequence[str]) -> None:
        from dvc_objects.fs.local import LocalFileSystem

        self._database().add([str(file) for file in sources], LocalFileSystem(), list(digests), hardlink=True)

    def _write(self, data: bytes) -> str:
        """Keep bytes and give their MD5."""
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if not self.object(md5).exists():
            self._database().add_bytes(md5, data)
        return md5

    def _keep_listing(self, files: Mapping[str, str]) -> str:
        """Keep the list of a folder's files in DVC's form and give its MD5, which ends in `.dir`."""
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.tree import Tree

        tree = Tree()
        for name, md5 in files.items():
            tree.add(PurePosixPath(name).parts, None, HashInfo("md5", md5))
        tree.digest()
        content = str(tree.oid)
        if not self.object(content).exists():
            self._database().add_bytes(content, tree.as_bytes())
        return content


def _answers(kept: KeptVersion, digest: str) -> bool:
    own = kept.version.partition(":")[2].removesuffix(".dir")
    return len(digest) >= _SHORTEST and (own.startswith(digest) or kept.content.startswith(digest))


def _md5_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _folder_name(path: Path) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in path.name).strip(".") or "data"
