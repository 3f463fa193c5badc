"""Groups are the connected components of source group, near-duplicate cluster and equal pixels."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hematovision.data.groups import assign_groups
from hematovision.data.manifest import INGESTED
from hematovision.errors import HematoVisionError


def table(pixels: list[str], source_groups: list[str]) -> pd.DataFrame:
    columns = {name: [0] * len(pixels) for name in INGESTED}
    columns |= {
        "path": [f"{row:02}.png" for row in range(len(pixels))],
        "pixel_sha256": [pixel.ljust(64, "0") for pixel in pixels],
        "source_group": source_groups,
    }
    return pd.DataFrame(columns)


def test_every_image_is_its_own_group_where_the_source_knows_none() -> None:
    grouped = assign_groups(table(["a", "b", "c"], ["", "", ""]), [0, 1, 2])
    assert grouped["group"].tolist() == ["cell-a00000000000", "cell-b00000000000", "cell-c00000000000"]
    assert grouped["cluster"].tolist() == ["", "", ""]


def test_equal_pixels_are_one_group_without_a_cluster() -> None:
    grouped = assign_groups(table(["a", "b", "a"], ["", "", ""]), [-1, -1, -1])
    assert grouped["group"].tolist() == ["cell-a00000000000", "cell-b00000000000", "cell-a00000000000"]
    assert grouped["cluster"].tolist() == ["", "", ""]


def test_a_chain_of_reasons_is_one_group() -> None:
    manifest = table(["a", "b", "b", "c", "d"], ["slide 2", "slide 2", "", "", ""])
    grouped = assign_groups(manifest, [0, 1, 7, 7, 9])
    assert grouped["group"].tolist() == ["slide 2"] * 4 + ["cell-d00000000000"]
    assert grouped["cluster"].tolist() == ["", "", "near-b00000000000", "near-b00000000000", ""]


def test_two_source_groups_joined_by_a_duplicate_take_the_smaller_name() -> None:
    grouped = assign_groups(table(["b", "a"], ["slide 10", "slide 09"]), [3, 3])
    assert grouped["group"].tolist() == ["slide 09", "slide 09"]


def test_rows_and_clusters_must_match() -> None:
    with pytest.raises(HematoVisionError, match="1 cluster numbers for 2 rows"):
        assign_groups(table(["a", "b"], ["", ""]), [0])


keys = st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["", "", "s1", "s2", "s3"]), st.integers(-1, 5))
rows = st.lists(keys, min_size=1, max_size=14)


@settings(max_examples=25, deadline=None)
@given(rows=rows, data=st.data())
def test_groups_close_over_every_shared_key_whatever_the_order(
    rows: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    manifest = table([row[0] for row in rows], [row[1] for row in rows])
    clusters = [row[2] for row in rows]
    grouped = assign_groups(manifest, clusters)
    for column in ("pixel_sha256", "source_group", "cluster"):
        shared = grouped[grouped[column] != ""]
        assert (shared.groupby(column)["group"].nunique() <= 1).all()
    order = data.draw(st.permutations(range(len(rows))))
    renumbered = [-1 if clusters[row] < 0 else 99 - clusters[row] for row in order]
    again = assign_groups(manifest.iloc[order].reset_index(drop=True), renumbered)
    pd.testing.assert_frame_equal(again.sort_values("path").reset_index(drop=True), grouped)


@settings(max_examples=25, deadline=None)
@given(rows=rows)
def test_rows_that_share_nothing_stay_apart(rows: list[tuple[str, str, int]]) -> None:
    """Union-find over the definition, written the slow way, finds the same partition."""
    grouped = assign_groups(table([row[0] for row in rows], [row[1] for row in rows]), [row[2] for row in rows])
    parts = [{index} for index in range(len(rows))]
    for first, a in enumerate(rows):
        for second, b in enumerate(rows[:first]):
            if a[0] == b[0] or (a[1] and a[1] == b[1]) or (a[2] >= 0 and a[2] == b[2]):
                one = next(part for part in parts if first in part)
                other = next(part for part in parts if second in part)
                if one is not other:
                    parts.remove(other)
                    one |= other
    assert grouped["group"].nunique() == len(parts)
