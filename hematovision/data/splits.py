"""Splits: who is golden, and which fold a development image belongs to. A group never stands on two sides.

One allocation serves all three splits (golden and folds, and the validation part inside a training part): groups are
dealt, those with the rarest class first and the larger before the smaller, to the part that needs their classes most;
then single groups move while that brings the parts closer to their shares. It generalises the greedy of
scikit-learn's StratifiedGroupKFold to unequal shares and to a guarantee of presence, after Sechidis, Tsoumakas and
Vlahavas, "On the stratification of multi-label data", 2011.
"""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import pandas as pd

from hematovision.data.manifest import DEVELOPMENT, GOLDEN, GROUPED, check_columns
from hematovision.errors import GateRefused, UsageError

_ROUNDING = 1e-9


def assign_splits(
    manifest: pd.DataFrame, *, golden_fraction: float, folds: int, seed: int, keep_source_splits: bool
) -> pd.DataFrame:
    """A copy of the manifest with `split` and `fold` (0 … folds-1 in development, -1 in golden).

    Stratified by label and grouped by `group`; the same content gives the same splits whatever the order of rows.
    With `keep_source_splits` the source's test images, where it has any, become the golden set and all others
    development; `golden_fraction` is then not used. Raises GateRefused when a class has too few groups to stand in the
    golden set and in every fold, or when a group straddles the source's own test split.
    """
    check_columns(manifest, GROUPED)
    if manifest.empty:
        raise GateRefused("there is no image to split: every one was quarantined or none was found")
    if folds < 2 or not 0 < golden_fraction < 1:
        raise UsageError(
            f"splits need at least 2 folds and a golden fraction between 0 and 1: {folds}, {golden_fraction}"
        )
    is_test = manifest["source_split"] == "test"
    if keep_source_splits and is_test.any():
        return _around_source_test(manifest, is_test, folds, seed)
    shares = [golden_fraction, *[(1 - golden_fraction) / folds] * folds]
    part = deal_groups(manifest, shares, seed)
    _require_presence(manifest, part, folds + 1, f"the golden set and {folds} folds")
    return _with_parts(manifest, part - 1)


def validation_split(rows: pd.DataFrame, *, fraction: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A training part as (fit rows, validation rows), about `fraction` of each class in the second.

    For early stopping and calibration inside a training part: stratified and grouped like the folds. A class of a
    single group stays in the fit rows. Raises GateRefused when there is only one group.
    """
    check_columns(rows, ["label", "group", "sha256"])
    if not 0 < fraction < 1:
        raise UsageError(f"the validation fraction must lie between 0 and 1: {fraction}")
    if rows["group"].nunique() < 2:
        raise GateRefused("the training part is one group: no validation rows can be set aside; add slides or patients")
    held_out = deal_groups(rows, [1 - fraction, fraction], seed) == 1
    return rows[~held_out], rows[held_out]


def deal_folds(rows: pd.DataFrame, *, folds: int, seed: int) -> pd.DataFrame:
    """A copy of development rows with `fold` (0 … folds-1) dealt anew, stratified by label and grouped by `group`.

    For comparisons among settings. Raises GateRefused when a class has fewer groups than there are folds.
    """
    part = deal_groups(rows, [1 / folds] * folds, seed)
    _require_presence(rows, part, folds, f"{folds} inner folds")
    return rows.assign(fold=part.to_numpy(dtype=np.int64))


def deal_groups(rows: pd.DataFrame, shares: Sequence[float], seed: int) -> pd.Series:
    """The part (0 … len(shares)-1) of every row; whole groups, class proportions close to the shares."""
    counts = pd.crosstab(rows["group"], rows["label"])
    counts = counts.loc[_dealing_order(rows, counts, seed)]
    matrix = counts.to_numpy(dtype=np.float64)
    part = _settle(matrix, _deal(matrix, np.asarray(shares)), np.asarray(shares))
    return rows["group"].map(pd.Series(part, index=counts.index))


def _around_source_test(manifest: pd.DataFrame, is_test: pd.Series, folds: int, seed: int) -> pd.DataFrame:
    straddling = sorted(set(manifest.loc[is_test, "group"]) & set(manifest.loc[~is_test, "group"]))
    if straddling:
        raise GateRefused(
            f"{len(straddling)} groups stand both in the source's test split and outside it, {straddling[0]!r} first: "
            "regroup the data (--on-leakage regroup)"
        )
    one_sided = sorted(set(manifest.loc[is_test, "label"]) ^ set(manifest.loc[~is_test, "label"]))
    if one_sided:
        raise GateRefused(
            f"class {one_sided[0]!r} stands on one side only of the source's test split: "
            "add images of it to the other side, or let the data be regrouped (--on-leakage regroup)"
        )
    development = manifest[~is_test]
    part = deal_groups(development, [1 / folds] * folds, seed)
    _require_presence(development, part, folds, f"{folds} folds")
    fold = np.full(len(manifest), -1, dtype=np.int64)
    fold[~is_test.to_numpy()] = part.to_numpy()
    return _with_parts(manifest, pd.Series(fold, index=manifest.index))


def _with_parts(manifest: pd.DataFrame, fold: pd.Series) -> pd.DataFrame:
    split = pd.Series(np.where(fold < 0, GOLDEN, DEVELOPMENT), index=manifest.index, dtype="str")
    return manifest.assign(split=split, fold=fold.astype(np.int64))


def _require_presence(manifest: pd.DataFrame, part: pd.Series, parts: int, where: str) -> None:
    found = part.groupby(manifest["label"]).nunique()
    short = found[found < parts]
    if short.empty:
        return
    label, groups = short.index[0], manifest.loc[manifest["label"] == short.index[0], "group"].nunique()
    raise GateRefused(
        f"class {label!r} has {groups} group(s) and cannot stand in {where}: "
        "use fewer folds, or add images of it from other slides or patients"
    )


def _dealing_order(rows: pd.DataFrame, counts: pd.DataFrame, seed: int) -> pd.Index:
    """Groups by the rarity of their rarest class, larger first; ties by a seeded hash of the content, not of names."""
    groups_of_class = (counts > 0).sum()
    rarest = (counts > 0).mul(groups_of_class).mask(counts == 0).min(axis=1)
    content = rows.sort_values("sha256").groupby("group")["sha256"].agg("".join)
    tie = content.map(lambda text: sha256(f"{seed} {text}".encode()).hexdigest())
    order = pd.DataFrame({"rarest": rarest, "size": -counts.sum(axis=1), "tie": tie, "name": counts.index})
    return order.sort_values(["rarest", "size", "tie", "name"]).index


def _deal(counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The part of each group (counts: groups × classes), dealt in the order given.

    A group goes to the part that lacks most of its classes, rare ones above all, then to the least filled with them.
    """
    held = np.zeros((len(shares), counts.shape[1]))
    part = np.empty(len(counts), dtype=np.int64)
    weight, rarity = 1 / counts.sum(axis=0), 1 / (counts > 0).sum(axis=0)
    for index, group in enumerate(counts):
        lacking = ((held == 0) & (group > 0)) @ rarity
        fill = (held * group * weight).sum(axis=1) / shares
        part[index] = np.lexsort((-shares, fill, -lacking))[0]
        held[part[index]] += group
    return part


def _settle(counts: np.ndarray, part: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Move single groups while that lowers the chi-square distance of the class counts from their targets.

    No move takes from a part the last group of a class. Ends because every move lowers the distance.
    """
    target = shares[:, None] * counts.sum(axis=0)
    held = np.zeros_like(target)
    np.add.at(held, part, counts)
    moved = True
    while moved:
        moved = False
        for index, group in enumerate(counts):
            home = part[index]
            if np.any((group > 0) & (held[home] == group)):
                continue
            gain = _gain(group, held - target, target, home)
            goal = int(gain.argmax())
            if gain[goal] > _ROUNDING:
                held[home] -= group
                held[goal] += group
                part[index] = goal
                moved = True
    return part


def _gain(group: np.ndarray, surplus: np.ndarray, target: np.ndarray, home: int) -> np.ndarray:
    """How much the chi-square distance falls when `group` leaves `home` for each part (0 for home itself)."""
    arriving = ((2 * surplus + group) * group / target).sum(axis=1)
    leaving = ((2 * surplus[home] - group) * group / target[home]).sum()
    gain: np.ndarray = leaving - arriving
    gain[home] = 0.0
    return gain
