"""The cells of two sites: read, grouped together, and dealt by group into shares that never meet."""

import csv
import hashlib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hematovision.config import RunConfig
from hematovision.data.growth import write_grown
from hematovision.data.ingestion import Limits
from hematovision.data.labels import match_labels
from hematovision.data.manifest import ATTRIBUTE
from hematovision.data.preparation import prepare
from hematovision.data.sources import Item, open_source
from hematovision.data.sources.csv_manifest import MANIFEST_NAME
from hematovision.data.splits import deal_groups
from hematovision.data.store import ImageStore
from hematovision.data.synthetic.dataset import write_dataset
from hematovision.data.synthetic.scanner import load_scanners
from hematovision.data.synthetic.settings import SyntheticPlan
from hematovision.errors import UnreadableImage, UsageError
from hematovision.home import CONFIGS
from hematovision.progress import progress_bar
from hematovision.rehearsal.settings import RehearsalSettings

SITE_A, SITE_B = "site-a", "site-b"
_SITE = f"{ATTRIBUTE}site"
_FEWEST_CLASSES = 2


@dataclass(frozen=True)
class Sites:
    """Shares of the cells of both sites, as manifest rows; no group stands in two of them.

    Attributes:
        home: of site A, what the champion is made of. held_out_a, held_out_b: scored and never used for anything else.
        first: of site B, what arrives before the retrain and is corrected. later: what arrives after it.
        left_out: cells that are in no share, by reason.
    """

    home: pd.DataFrame
    held_out_a: pd.DataFrame
    held_out_b: pd.DataFrame
    first: pd.DataFrame
    later: pd.DataFrame
    left_out: Mapping[str, int]
    images: ImageStore

    @property
    def counts(self) -> dict[str, int]:
        """Cells of each share."""
        return {
            "site_a": len(self.home),
            "site_a_held_out": len(self.held_out_a),
            "site_b_first": len(self.first),
            "site_b_later": len(self.later),
            "site_b_held_out": len(self.held_out_b),
        }


def draw_sites(folder: Path, config: RunConfig) -> dict[str, Path]:
    """Two generated sets of different cells, seen through the two scanners of the settings; the folder of each."""
    settings, scanners = config.rehearsal, load_scanners(CONFIGS / "scanners.yaml")
    drawn = {}
    chosen = ((SITE_A, settings.scanner_a, settings.slides_a), (SITE_B, settings.scanner_b, settings.slides_b))
    for number, (site, scanner, slides) in enumerate(chosen):
        if scanner not in scanners:
            raise UsageError(f"There is no scanner {scanner!r}; configs/scanners.yaml has {', '.join(scanners)}.")
        changes = {"seed": config.synthetic.seed + number, "slides": slides, "scanner": scanner}
        plan = SyntheticPlan.model_validate({**config.synthetic.model_dump(), **changes})
        with progress_bar(f"Drawing {site}") as progress:
            write_dataset(plan, folder / site, scanner=scanners[scanner], progress=progress)
        drawn[site] = folder / site
    return drawn


def read_sites(folder: Path, sources: Mapping[str, Path], config: RunConfig) -> Sites:
    """Read both sites, find copies within and across them, and deal.

    A cell of site B whose label no class of site A stands for, or that is a copy of a cell of site A, is left out.

    Raises:
        UsageError: a source cannot be read, the sites share fewer than two classes, or a share would be empty.
    """
    left_out: Counter[str] = Counter()
    _lay_side_by_side(folder / "cells", sources, config, left_out)
    images = ImageStore(folder / "images")
    prepared = prepare(
        folder / "cells",
        images,
        limits=Limits(config.reading.max_pixels, config.reading.min_side),
        voc_margin=config.reading.voc_margin,
        duplicates=config.duplicates,
        workers=config.reading.workers,
        bar=progress_bar,
    )
    left_out["cannot be read"] += len(prepared.quarantine)
    cells = prepared.manifest
    here, there = cells[cells[_SITE] == SITE_A], cells[cells[_SITE] == SITE_B]
    copies = there["group"].isin(set(here["group"]))
    left_out["copies of cells of site A"] += int(copies.sum())
    here, there = here.drop_duplicates("sha256"), there[~copies].drop_duplicates("sha256")
    left_out["the same file again"] += len(cells) - int(copies.sum()) - len(here) - len(there)
    return _deal(here, there, config.rehearsal, config.seed, left_out, images)


def write_home_site(sites: Sites, folder: Path, *, notice: Path | None) -> Path:
    """Site A's own cells as a source, each with its site and slide; `notice` is the file that calls cells synthetic."""
    rows = sites.home.assign(group=sites.home["source_group"], site=SITE_A)
    known = sites.home.iloc[:0]
    write_grown(known, rows, sites.images, folder)
    if notice is not None:
        (folder / notice.name).write_bytes(notice.read_bytes())
    return folder


def chosen_for_correction(sites: Sites, per_class: int, seed: int) -> list[tuple[str, str]]:
    """(SHA-256, label) of `per_class` cells a class of those that arrive first, all there are of rarer classes.

    Drawn at random, without a look at what a model says of them.
    """
    chosen = sites.first.sample(frac=1, random_state=seed).groupby("label").head(per_class)
    return list(zip(chosen["sha256"], chosen["label"], strict=True))


def _lay_side_by_side(folder: Path, sources: Mapping[str, Path], config: RunConfig, left_out: Counter[str]) -> None:
    reading = config.reading
    items = {
        site: list(open_source(path, voc_margin=reading.voc_margin, max_pixels=reading.max_pixels).items())
        for site, path in sources.items()
    }
    classes = sorted({item.label for item in items[SITE_A]} - {""})
    matched = match_labels([item.label for item in items[SITE_B]], classes)
    if len(set(matched.values())) < _FEWEST_CLASSES:
        raise UsageError(
            f"The two sites share {len(set(matched.values()))} classes; site A has {', '.join(classes)}, "
            f"site B {', '.join(sorted({item.label for item in items[SITE_B]}))}."
        )
    rows = _rows(folder, SITE_A, items[SITE_A], {name: name for name in classes}, left_out)
    rows += _rows(folder, SITE_B, items[SITE_B], matched, left_out)
    with (folder / MANIFEST_NAME).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label", "group", "site"), *rows])


def _rows(
    folder: Path, site: str, items: list[Item], labels: Mapping[str, str], left_out: Counter[str]
) -> list[tuple[str, str, str, str]]:
    rows = []
    with progress_bar(f"Reading {site}") as progress:
        for done, item in enumerate(items, start=1):
            progress(done, len(items))
            if item.label not in labels:
                left_out[f"{site} calls them {item.label or 'nothing'}"] += 1
                continue
            with suppress(UnreadableImage):
                place = _kept(folder / site, item.load()).relative_to(folder)
                rows.append((place.as_posix(), labels[item.label], f"{site} {item.group}" if item.group else "", site))
                continue
            left_out["cannot be read"] += 1
    return rows


def _kept(folder: Path, data: bytes) -> Path:
    place = folder / hashlib.sha256(data).hexdigest()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return place


def _deal(
    here: pd.DataFrame,
    there: pd.DataFrame,
    settings: RehearsalSettings,
    seed: int,
    left_out: Mapping[str, int],
    images: ImageStore,
) -> Sites:
    of_a = _dealt(here, [settings.held_out, 1 - settings.held_out], seed, SITE_A)
    of_b = _dealt(there, [settings.held_out, settings.later, 1 - settings.held_out - settings.later], seed, SITE_B)
    return Sites(
        home=of_a[1],
        held_out_a=of_a[0],
        held_out_b=of_b[0],
        later=of_b[1],
        first=of_b[2],
        left_out={reason: count for reason, count in left_out.items() if count},
        images=images,
    )


def _dealt(rows: pd.DataFrame, shares: list[float], seed: int, site: str) -> list[pd.DataFrame]:
    part = deal_groups(rows, shares, seed) if len(rows) else pd.Series(dtype="int64")
    dealt = [rows[part == number] for number in range(len(shares))]
    if any(share.empty for share in dealt):
        raise UsageError(
            f"{site} has {len(rows)} usable cells in {rows['group'].nunique()} groups (slides, patients, copies), too "
            f"few to deal into {len(shares)} shares; give more cells."
        )
    return dealt
