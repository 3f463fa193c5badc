"""Keeps the golden cells out: no frozen cell, no copy of one and nothing from its slide ever becomes training data.

A slide is told by site and name, for two sites may use one name. Where a correction names no site the name counts
alone; where the data of a golden set name none, its slides are those of the home sites.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from threading import Lock

import numpy as np
import pandas as pd

from hematovision.data.decoding import decode, pixel_sha256
from hematovision.data.duplicates.index import DuplicateIndex
from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.duplicates.signature import Signature, signature
from hematovision.data.golden import GoldenSet, load_golden
from hematovision.data.groups import slide_in_site, slide_of_site
from hematovision.data.ingestion import Limits
from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused, HematoVisionError

_NEVER = "it is never trained on, and feedback on it is not taken."


class _Known:
    """The golden cells of all frozen sets as they are looked up: by bytes, pixels, slide and looks."""

    def __init__(
        self, cells: pd.DataFrame, signatures: Sequence[Signature], settings: DuplicateSettings, home: Sequence[str]
    ) -> None:
        self.files = set(cells["sha256"])
        self.pixels = set(cells["pixel_sha256"])
        self.index = DuplicateIndex(signatures, settings)
        self._home = {_folded(site) for site in home}
        self._sites: dict[str, set[str]] = {}
        for group, source_group, site in cells[["group", "source_group", "site"]].itertuples(index=False, name=None):
            for slide in {group, source_group} - {""}:
                for name in (slide_in_site(site, slide), slide_of_site(site, slide)):
                    self._sites.setdefault(name, set()).add(_folded(site))

    def holds(self, slide: str, site: str | None) -> bool:
        """Whether golden cells are from a slide; without a site, from any slide of that name."""
        if not site:
            return slide in self._sites
        where, sites = _folded(site), self._sites.get(slide_in_site(site, slide), set())
        named_whole = "" in self._sites.get(slide_of_site(site, slide), set())
        return named_whole or where in sites or ("" in sites and where in self._home)


def _folded(site: str) -> str:
    return " ".join(site.split()).casefold()


class GoldenGuard:
    """Judges single pictures against every golden set frozen in a home; a set frozen later is noticed.

    Of a golden cell that was withdrawn and erased, file and pixels are still refused, copies can no longer be told.
    Indexing is done once: signatures are kept below `cache`, under a name made of the cells and the settings.
    Safe for threads and processes.
    """

    def __init__(
        self,
        golden: Path,
        images: ImageStore,
        duplicates: DuplicateSettings,
        limits: Limits,
        cache: Path,
        home_sites: Sequence[str],
    ) -> None:
        self._golden, self._images, self._duplicates, self._limits = golden, images, duplicates, limits
        self._cache, self._home_sites = cache, home_sites
        self._lock = Lock()
        self._seen: Mapping[str, int] | None = None
        self._known: _Known | None = None

    def admit(self, picture: bytes, slide: str | None, site: str | None) -> str:
        """The SHA-256 of a picture's pixels.

        Raises:
            UnreadableImage: it cannot be used as an image.
            GateRefused: it is a golden cell or a near-duplicate of one, or its slide holds golden cells.
        """
        pixels = decode(picture, max_pixels=self._limits.max_pixels, min_side=self._limits.min_side)
        digest = pixel_sha256(pixels)
        known = self.ready()
        if sha256(picture).hexdigest() in known.files or digest in known.pixels:
            raise GateRefused(
                "This cell is in the golden test set, which is never trained on; feedback on it is not taken."
            )
        if slide is not None and known.holds(slide, site):
            named = f"Slide {slide} of {site}" if site else f"Slide {slide}"
            raise GateRefused(f"{named} holds cells of the golden test set: {_NEVER}")
        copy = known.index.first_copy(signature(pixels, self._duplicates))
        if copy is not None:
            raise GateRefused(f"This is a copy ({copy.transform}) of a cell in the golden test set: {_NEVER}")
        return digest

    def ready(self) -> _Known:
        """The golden cells, indexed; call it once at a service's start, so that the first correction does not wait.

        Raises:
            HematoVisionError: a golden cell's picture is not in the image store, so copies of it could not be told.
        """
        with self._lock:
            seen = {path.parent.name: path.stat().st_mtime_ns for path in sorted(self._golden.glob("*/golden.json"))}
            if self._known is None or seen != self._seen:
                self._known = self._indexed(list(seen))
                self._seen = seen
            return self._known

    def _indexed(self, places: Sequence[str]) -> _Known:
        tables = [_cells(load_golden(self._golden / place)) for place in places]
        cells = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_COLUMNS)
        files = sorted({*cells.drop_duplicates("pixel_sha256")["sha256"]} - {*self._images.withdrawn()})
        return _Known(cells, self._signatures(files), self._duplicates, self._home_sites)

    def _signatures(self, files: Sequence[str]) -> list[Signature]:
        if not files:
            return []
        content = json.dumps([files, self._duplicates.model_dump()], sort_keys=True)
        kept = self._cache / f"{sha256(content.encode()).hexdigest()}.npz"
        if not kept.exists():
            _keep(kept, [self._describe(file) for file in files])
        return _kept(kept, len(files))

    def _describe(self, file: str) -> Signature:
        try:
            picture = self._images.read(file)
        except HematoVisionError as error:
            raise HematoVisionError(
                f"Copies of golden cells cannot be told, so no feedback is taken: {error}"
            ) from error
        return signature(decode(picture, max_pixels=self._limits.max_pixels), self._duplicates)


_COLUMNS = ["sha256", "pixel_sha256", "group", "source_group", "site"]


def _cells(golden: GoldenSet) -> pd.DataFrame:
    return golden.rows.assign(site=golden.rows["path"].map(golden.sites).fillna(""))[_COLUMNS]


_PARTS = ("detail", "valid", "spectrum", "anchors")


def _keep(path: Path, signatures: Sequence[Signature]) -> None:
    arrays = {f"{part}{n}": getattr(one, part) for n, one in enumerate(signatures) for part in _PARTS}
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{sha256(str(id(buffer)).encode()).hexdigest()[:8]}")
    partial.write_bytes(buffer.getvalue())
    partial.replace(path)


def _kept(path: Path, count: int) -> list[Signature]:
    with np.load(path, allow_pickle=False) as arrays:
        return [Signature(*(arrays[f"{part}{n}"] for part in _PARTS)) for n in range(count)]
