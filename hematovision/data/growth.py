"""A data set that has grown: known cells keep their place, new ones are dealt, and none comes near the golden set."""

import csv
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hematovision.data.groups import slide_of_site
from hematovision.data.manifest import ATTRIBUTE, COMPLETE, DEVELOPMENT, GOLDEN, GROUPED, HELD_OUT, SITE, check_columns
from hematovision.data.sources.csv_manifest import MANIFEST_NAME
from hematovision.data.splits import deal_groups
from hematovision.data.store import ImageStore

_NEW = ["sha256", "label", "group", "site"]


def relabelled(known: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """A complete manifest whose development and held-out cells have the labels that people decided on since.

    Args:
        labels: by content hash; of cells that the manifest does not have, too.
    """
    check_columns(known, COMPLETE)
    decided = known["sha256"].map(labels).where(known["split"] != GOLDEN)
    return known.assign(label=decided.fillna(known["label"]))


def write_grown(known: pd.DataFrame, new: pd.DataFrame, store: ImageStore, folder: Path) -> Path:
    """Lay out known and new cells as one CSV-manifest source, to be read and validated like any data.

    Args:
        known: a complete manifest. new: columns `sha256`, `label`, `group` (`slide_of_site`; '' where none is known),
            `site`.
        store: holds the pictures of both.

    Returns:
        The folder; a picture in it is a hard link where the file system allows, else a copy.
    """
    check_columns(new, _NEW)
    rows = pd.concat(
        [
            known.assign(group=_slides(known), site=known.get(SITE, ""))[_NEW],
            new.loc[~new["sha256"].isin(known["sha256"]), _NEW].drop_duplicates("sha256"),
        ]
    )
    folder.mkdir(parents=True, exist_ok=True)
    for sha256 in dict.fromkeys(rows["sha256"]):
        _link(store.path(sha256), folder / _place(sha256))
    partial = folder / f".{MANIFEST_NAME}.partial"
    with partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "group", "site"])
        table.writerows((_place(str(sha256)), *rest) for sha256, *rest in rows.itertuples(index=False, name=None))
    partial.replace(folder / MANIFEST_NAME)
    return folder


def _slides(known: pd.DataFrame) -> list[str]:
    """The slide of each row, with its site where that is known; '' where no slide is known."""
    sites = known[SITE] if SITE in known.columns else [""] * len(known)
    return [slide and slide_of_site(site, slide) for site, slide in zip(sites, known["source_group"], strict=True)]


@dataclass(frozen=True)
class Grown:
    """A manifest that has grown, and the new cells it leaves out: a table of `path` and `reason`."""

    manifest: pd.DataFrame
    left_out: pd.DataFrame


def extend_splits(
    cells: pd.DataFrame, known: pd.DataFrame, *, folds: int, held_out_fraction: float, seed: int
) -> Grown:
    """Splits for what `write_grown` laid out, once it is read and grouped.

    Known cells keep their row. A new cell whose group reaches a golden cell is left out, as is one whose group reaches
    two folds; one whose group reaches a single fold joins it; the others are dealt by group, stratified by label, to
    the folds and to the held-out part (`split` is `held-out`, `fold` -1) that no training sees.

    Args:
        cells: grouped manifest of known and new cells. known: the complete manifest of before.
    """
    check_columns(cells, GROUPED)
    check_columns(known, COMPLETE)
    new = cells[~cells["sha256"].isin(known["sha256"])].sort_values("path", kind="stable")
    met = _met(cells, known)
    places = new["group"].map(lambda group: met.get(group, ()))
    reasons = places.map(_reason)
    kept = new[reasons == ""]
    joined = kept[places[kept.index].map(len) > 0]
    dealt = kept[places[kept.index].map(len) == 0]
    parts = [known, *_joined(joined, met), _dealt(dealt, folds, held_out_fraction, seed)]
    manifest = pd.concat(parts, ignore_index=True)
    attributes = [column for column in manifest.columns if str(column).startswith(ATTRIBUTE)]
    manifest[attributes] = manifest[attributes].fillna("")
    left_out = pd.DataFrame({"path": new["path"], "reason": reasons})[reasons != ""]
    return Grown(manifest, left_out.reset_index(drop=True))


def _met(cells: pd.DataFrame, known: pd.DataFrame) -> dict[str, Sequence[tuple[str, int, str]]]:
    """For each group of the grown data, the (split, fold, group) of before that its known cells have."""
    before = known.drop_duplicates("sha256").set_index("sha256")
    groups = cells.loc[cells["sha256"].isin(before.index), ["group", "sha256"]]
    found: dict[str, dict[tuple[str, int, str], None]] = {}
    for group, sha256 in groups.itertuples(index=False, name=None):
        row = before.loc[sha256]
        found.setdefault(group, {})[str(row["split"]), int(row["fold"]), str(row["group"])] = None
    return {group: tuple(places) for group, places in found.items()}


def _reason(places: Sequence[tuple[str, int, str]]) -> str:
    if any(split == GOLDEN for split, _, _ in places):
        return "its slide, or a copy of it, is in the golden set, which is never trained on"
    if any(split == HELD_OUT for split, _, _ in places) and len(places) > 1:
        return "it joins held-out cells with others"
    if len({fold for _, fold, _ in places}) > 1:
        return "it joins cells of several folds"
    return ""


def _joined(rows: pd.DataFrame, met: dict[str, Sequence[tuple[str, int, str]]]) -> list[pd.DataFrame]:
    if rows.empty:
        return []
    places = [met[group][0] for group in rows["group"]]
    split, fold, group = (list(column) for column in zip(*places, strict=True))
    return [rows.assign(group=group, split=split, fold=fold)]


def _dealt(rows: pd.DataFrame, folds: int, held_out_fraction: float, seed: int) -> pd.DataFrame:
    if rows.empty:
        return rows.assign(split="", fold=-1)
    shares = [held_out_fraction, *[(1 - held_out_fraction) / folds] * folds]
    fold = deal_groups(rows, shares, seed) - 1
    return rows.assign(split=fold.map(lambda part: HELD_OUT if part < 0 else DEVELOPMENT), fold=fold)


def _place(sha256: str) -> str:
    return f"images/{sha256[:2]}/{sha256}"


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
