"""Leakage: pictures of the same cell, or of the same slide or patient, on two sides of a split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations, islice, product
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import BaseModel, ConfigDict

from hematovision.data.manifest import GROUPED, check_columns
from hematovision.errors import GateRefused

if TYPE_CHECKING:
    from hematovision.data.duplicates.search import DuplicatePair

_Example = tuple[int, int, str]


class LeakingPair(BaseModel):
    """Two images, by path, that must not stand on different sides of a split, and why."""

    model_config = ConfigDict(frozen=True)

    first: str
    second: str
    first_split: str
    second_split: str
    reason: str


class Leakage(BaseModel):
    """What stands on both sides of the splits in `column`.

    `pairs` counts pairs of images across splits that show the same cell: equal pixels, or verified near-duplicates.
    `groups` counts the groups (slides, patients, photographs, clusters) with images in more than one split.
    `examples` names the pairs first, then one pair of images for each group of which no pair was named.
    """

    model_config = ConfigDict(frozen=True)

    column: str
    pairs: int
    groups: int
    examples: list[LeakingPair]

    @property
    def found(self) -> bool:
        """Whether anything leaks; a leaking pair makes its group straddle too."""
        return self.groups > 0


def find_leakage(
    manifest: pd.DataFrame, pairs: Sequence[DuplicatePair], *, column: str = "source_split", max_examples: int
) -> Leakage:
    """Look for the same cell or group in different splits (`column`: source_split or split).

    `pairs` are the verified near-duplicates, by row position. Rows without a split ('') stand on no side.
    """
    check_columns(manifest, [*GROUPED, column])
    rows = manifest.reset_index(drop=True)
    same = _straddling(rows, "pixel_sha256", column)
    straddling = _straddling(rows, "group", column)
    near = list(_near_duplicates(rows, pairs, column))
    sides = [[len(side) for side in group] for group in same]
    named = [*islice(chain(_pixel_pairs(same), near), max_examples)]
    shown = set(rows.loc[[first for first, _, _ in named], "group"])
    others = (group for group in straddling if rows.at[group[0][0], "group"] not in shown)
    named += [(one[0], other[0], "same group") for one, other, *_ in islice(others, max_examples - len(named))]
    return Leakage(
        column=column,
        pairs=sum(a * b for group in sides for a, b in combinations(group, 2)) + len(near),
        groups=len(straddling),
        examples=[_describe(rows, column, *example) for example in named],
    )


def refuse_leakage(leakage: Leakage) -> None:
    """Raise GateRefused naming the count and the first pair when anything leaks."""
    if not leakage.found:
        return
    named = "".join(
        f": {pair.first} ({pair.first_split}) and {pair.second} ({pair.second_split}), {pair.reason}"
        for pair in leakage.examples[:1]
    )
    raise GateRefused(
        f"the same cells stand on both sides of the data's own splits ({leakage.pairs} pairs, {leakage.groups} groups)"
        f"{named}. Correct the folders, or let the data be split anew by group (--on-leakage regroup)"
    )


def _straddling(rows: pd.DataFrame, key: str, column: str) -> list[list[list[int]]]:
    """For each value of `key` with rows in two splits or more: the row positions of each split, in order of path."""
    sided = rows[rows[column] != ""].sort_values("path")
    crossing = sided[sided.groupby(key)[column].transform("nunique") > 1]
    return [
        [side.index.tolist() for _, side in group.groupby(column)] for _, group in crossing.groupby(key, sort=False)
    ]


def _pixel_pairs(same: list[list[list[int]]]) -> Iterator[_Example]:
    for group in same:
        for one, other in combinations(group, 2):
            yield from ((first, second, "same pixels") for first, second in product(one, other))


def _near_duplicates(rows: pd.DataFrame, pairs: Sequence[DuplicatePair], column: str) -> Iterator[_Example]:
    split, pixels = rows[column].to_numpy(), rows["pixel_sha256"].to_numpy()
    for pair in pairs:
        first, second = sorted((pair.first, pair.second), key=lambda row: str(split[row]))
        apart = split[first] != split[second] and split[first] and split[second]
        if apart and pixels[first] != pixels[second]:
            yield first, second, f"near-duplicate ({pair.transform}, similarity {pair.similarity:.2f})"


def _describe(rows: pd.DataFrame, column: str, first: int, second: int, reason: str) -> LeakingPair:
    paths, splits = rows["path"], rows[column]
    return LeakingPair(
        first=paths[first],
        second=paths[second],
        first_split=splits[first],
        second_split=splits[second],
        reason=reason,
    )
