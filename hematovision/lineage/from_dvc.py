"""What DVC knows: which data version a `.dvc` file pins, since when, and whether its bytes are within reach."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from hematovision.data.versioning import data_version
from hematovision.data.versions.records import read_records
from hematovision.errors import UsageError
from hematovision.home import PROJECT
from hematovision.lineage.graph import Link, Links, Node, Room
from hematovision.lineage.things import Thing

_RESTORABLE = {"restorable": "yes, by `hematovision data checkout`"}


class PinReader:
    """Data versions, looked up in the project's `.dvc` files, their history in git, DVC's cache, and the kept versions.

    `kept` is the home's folder of kept versions, None where there is none.
    """

    def __init__(self, project: Path = PROJECT, kept: Path | None = None) -> None:
        self.project, self.kept = project, kept

    def _kept(self, version: str) -> bool:
        """Whether its bytes are kept in the home, so that they can be restored."""
        return self.kept is not None and any(one.version == version for one in read_records(self.kept))

    def describe(self, thing: Thing, *, near: bool) -> Node | None:
        """A data version; a version of kind `manifest` is pinned by no `.dvc` file, and says so."""
        if thing.kind != "data" or not _is_version(thing.identity):
            return None
        algorithm, _, digest = thing.identity.partition(":")
        if algorithm == "sha256":
            facts = {"kind": "manifest of a data set that no .dvc file pins", "digest": digest}
            if self._kept(thing.identity):
                return Node(thing, facts | _RESTORABLE)
            lost = "no .dvc file pins these data, and they are not kept here: their bytes cannot be restored"
            return Node(thing, facts, (lost,), hearsay=True)
        facts = {"kind": "pinned by DVC", "digest": digest}
        if not near:
            return Node(thing, facts, hearsay=not self._cached(digest))
        return self._pinned(thing, digest, facts)

    def _pinned(self, thing: Thing, digest: str, facts: dict[str, str]) -> Node:
        missing: list[str] = []
        if self._kept(thing.identity):
            facts |= _RESTORABLE
        now = [path for path in sorted(self.project.glob("*.dvc")) if path.is_file() and _pins(path, digest)]
        facts |= {"pinned by": ", ".join(path.name for path in now)} if now else {}
        commits = self._commits(digest)
        if commits:
            facts["pinned in commit"] = commits[-1]
        if not now and not commits:
            missing.append("no .dvc file of this project pins or pinned these data")
        facts["in DVC's cache"] = "yes" if (held := self._cached(digest)) else "no"
        if not held and "restorable" not in facts:
            missing.append("its file list is not in DVC's cache of this project: `dvc pull` fetches it from a remote")
        return Node(thing, facts, tuple(missing))

    def _cached(self, digest: str) -> bool:
        return (self.project / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]).exists()

    def _commits(self, digest: str) -> Sequence[str]:
        """Commits that brought or took away the digest, the newest first; none outside a git repository."""
        command = ["git", "-C", str(self.project), "log", "--format=%H", f"-S{digest}", "--", "*.dvc"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        except (OSError, subprocess.SubprocessError):
            return ()
        return done.stdout.split()

    def above(self, thing: Thing, *, room: Room) -> Links:  # noqa: ARG002
        """DVC links nothing."""
        return Links()

    def below(self, thing: Thing, *, room: Room) -> Links:  # noqa: ARG002
        """DVC links nothing."""
        return Links()

    def beside(self, thing: Thing) -> tuple[Link, ...]:  # noqa: ARG002 - no records
        """Nothing."""
        return ()

    def search(self, text: str) -> list[Thing]:  # noqa: ARG002
        """Data versions are written whole."""
        return []


def _is_version(text: str) -> bool:
    algorithm, _, digest = text.partition(":")
    stem = digest.removesuffix(".dir") if algorithm == "md5" else digest
    return len(stem) == {"md5": 32, "sha256": 64}.get(algorithm, -1) and not set(stem) - set("0123456789abcdef")


def _pins(path: Path, digest: str) -> bool:
    try:
        return data_version(path).digest == digest
    except UsageError:
        return False
