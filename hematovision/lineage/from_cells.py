"""What the index of cells knows: images, the training cells and golden sets they are in."""

import re

from hematovision.data.manifest import GOLDEN
from hematovision.errors import HematoVisionError
from hematovision.lineage.cells import CellIndex
from hematovision.lineage.from_mlflow import Registry, cells_of
from hematovision.lineage.graph import Link, Links, Node, Room
from hematovision.lineage.things import Thing
from hematovision.lineage.tracking import Version

_SHA256 = re.compile(r"[0-9a-f]{64}")


class CellReader:
    """Images and where they are in; a manifest that the index lacks is fetched from the registry when it is asked for.

    Attributes:
        failed: manifests that could not be read, and why.
    """

    def __init__(self, registry: Registry, index: CellIndex) -> None:
        self.registry, self.index = registry, index
        self.failed: dict[str, str] = {}
        self._indexed = set(index.digests())
        self._carriers: dict[str, list[Version]] = {}
        for version in registry.versions.values():
            if cells := cells_of(version):
                self._carriers.setdefault(cells.identity, []).append(version)

    @property
    def unread(self) -> tuple[str, ...]:
        """Manifests in which an image may be, for all that is known here."""
        return tuple(self.failed.values())

    def ensure(self, digest: str) -> bool:
        """Whether a manifest is indexed; where it is not, it is fetched from the first run that still has it."""
        for version in [] if digest in self._indexed else self._carriers.get(digest, []):
            try:
                self.index.enter(digest, self.registry.manifest(version))
            except HematoVisionError as error:
                self.failed.setdefault(digest, f"the training cells of {version.thing.words} cannot be told: {error}")
                continue
            self._indexed.add(digest)
            self.failed.pop(digest, None)
            break
        return digest in self._indexed

    def trained_on(self, image: str) -> list[Version]:
        """The versions whose training cells hold an image; the golden set is none of them."""
        held = [digest for digest, _, split in self._rows(image) if split != GOLDEN]
        return [version for digest in dict.fromkeys(held) for version in self._carriers.get(digest, [])]

    def scored_on(self, image: str) -> list[Version]:
        """The versions whose golden set holds an image."""
        held = [digest for digest, _, split in self._rows(image) if split == GOLDEN]
        return [version for digest in dict.fromkeys(held) for version in self._carriers.get(digest, [])]

    def holds(self, digest: str, image: str) -> bool | None:
        """Whether a manifest (MANIFEST-GOLDEN) holds an image; None where the manifest cannot be read."""
        if not self.ensure(digest):
            return None
        return any(found == digest for found, _, _ in self.index.manifests_of(image))

    def learnt(self, digest: str, image: str) -> bool:
        """Whether an image is one of the training cells of a manifest."""
        return any(found == digest and split != GOLDEN for found, _, split in self.index.manifests_of(image))

    def _rows(self, image: str) -> list[tuple[str, str, str]]:
        for digest in self._carriers:
            self.ensure(digest)
        return self.index.manifests_of(image)

    def describe(self, thing: Thing, *, near: bool) -> Node | None:
        """Images by their label; cells and golden sets by how many images they hold.

        An image is only looked for in all manifests where the answer goes down from it: fetching them takes its time.
        """
        if thing.kind == "image" and _SHA256.fullmatch(thing.identity):
            labels = sorted({label for _, label, _ in self.index.manifests_of(thing.identity)})
            return Node(thing, {"label": ", ".join(labels)} if labels else {}, self.unread if near else ())
        if thing.kind in ("cells", "golden"):
            return self._table(thing)
        return None

    def _manifests(self, thing: Thing) -> list[str]:
        """The manifests that a thing's images are told by."""
        if thing.kind == "golden":
            return [digest for digest in self._carriers if digest.partition("-")[2] == thing.identity]
        return [digest for digest in self._carriers if digest == thing.identity and thing.kind == "cells"]

    def _table(self, thing: Thing) -> Node | None:
        named = self._manifests(thing)
        readable = [digest for digest in named if self.ensure(digest)]
        if not named:
            return None
        if not readable:
            return Node(thing, {"digest": thing.identity}, tuple(self.failed[digest] for digest in named))
        _, count = self.index.images_of(readable, golden=thing.kind == "golden", limit=0)
        return Node(thing, {"images": str(count)})

    def above(self, thing: Thing, *, room: Room) -> Links:
        """From training cells or a golden set to their images."""
        digests = [digest for digest in self._manifests(thing) if self.ensure(digest)]
        if not digests:
            return Links()
        images, count = self.index.images_of(digests, golden=thing.kind == "golden", limit=room["image"])
        links = tuple(Link(thing, Thing("image", image), "holds") for image in images)
        return Links(links, {"image": count - len(links)} if count > len(links) else {})

    def below(self, thing: Thing, *, room: Room) -> Links:  # noqa: ARG002 - every set that holds an image is shown
        """From an image to the training cells and the golden sets it is in."""
        if thing.kind != "image" or not _SHA256.fullmatch(thing.identity):
            return Links()
        links: dict[Link, None] = {}
        for digest, _, split in self._rows(thing.identity):
            if digest in self._carriers:
                golden = digest.partition("-")[2]
                holder = Thing("golden", golden) if split == GOLDEN else Thing("cells", digest)
                links[Link(holder, thing, "holds")] = None
        return Links(tuple(links))

    def beside(self, thing: Thing) -> tuple[Link, ...]:  # noqa: ARG002 - no records
        """Nothing."""
        return ()

    def search(self, text: str) -> list[Thing]:
        """A whole SHA-256 of an image."""
        return [Thing("image", text)] if _SHA256.fullmatch(text) and self._rows(text) else []
