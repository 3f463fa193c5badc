"""Leakage across splits: equal pixels, verified near-duplicates and shared groups, counted and named."""

import pandas as pd
import pytest

from hematovision.data.duplicates.search import DuplicatePair
from hematovision.data.groups import assign_groups
from hematovision.data.leakage import find_leakage, refuse_leakage
from hematovision.data.manifest import INGESTED
from hematovision.errors import GateRefused


def table(rows: list[tuple[str, str, str]], clusters: list[int]) -> pd.DataFrame:
    """Rows of (pixels, source group, source split), grouped."""
    columns: dict[str, list[object]] = {name: [0] * len(rows) for name in INGESTED}
    columns |= {
        "path": [f"{split}/{row}.png" for row, (_, _, split) in enumerate(rows)],
        "pixel_sha256": [row[0] for row in rows],
        "source_group": [row[1] for row in rows],
        "source_split": [row[2] for row in rows],
    }
    return assign_groups(pd.DataFrame(columns), clusters)


def test_clean_splits_do_not_leak() -> None:
    manifest = table([("a", "s1", "train"), ("a", "s1", "train"), ("b", "s2", "test"), ("a", "s1", "")], [-1] * 4)
    leakage = find_leakage(manifest, [], max_examples=9)
    assert not leakage.found
    assert (leakage.pairs, leakage.groups, leakage.examples) == (0, 0, [])
    refuse_leakage(leakage)


def test_every_pair_of_equal_pixels_across_splits_is_counted() -> None:
    rows = [("a", "", "train"), ("a", "", "train"), ("a", "", "test"), ("a", "", "validation"), ("b", "", "test")]
    leakage = find_leakage(table(rows, [-1] * 5), [], max_examples=2)
    assert (leakage.pairs, leakage.groups) == (5, 1)
    assert [(pair.first, pair.second) for pair in leakage.examples] == [
        ("test/2.png", "train/0.png"),
        ("test/2.png", "train/1.png"),
    ]
    assert leakage.examples[0].reason == "same pixels"


def test_near_duplicates_count_once_and_only_across_splits() -> None:
    rows = [("a", "", "train"), ("b", "", "test"), ("c", "", "train"), ("d", "", "train"), ("a", "", "test")]
    pairs = [
        DuplicatePair(first=0, second=1, similarity=0.97, transform="rotated by 90°"),
        DuplicatePair(first=2, second=3, similarity=0.96, transform="mirrored"),
        DuplicatePair(first=0, second=4, similarity=1.0, transform="none"),
    ]
    leakage = find_leakage(table(rows, [0, 0, 1, 1, 0]), pairs, max_examples=9)
    assert (leakage.pairs, leakage.groups) == (2, 1)
    assert [pair.reason for pair in leakage.examples] == [
        "same pixels",
        "near-duplicate (rotated by 90°, similarity 0.97)",
    ]


def test_a_shared_slide_leaks_without_a_pair() -> None:
    rows = [("a", "s1", "train"), ("b", "s1", "test"), ("c", "s1", "test"), ("d", "s2", "train")]
    leakage = find_leakage(table(rows, [-1] * 4), [], max_examples=9)
    assert leakage.found
    assert (leakage.pairs, leakage.groups) == (0, 1)
    assert leakage.examples[0].model_dump() == {
        "first": "test/1.png",
        "second": "train/0.png",
        "first_split": "test",
        "second_split": "train",
        "reason": "same group",
    }
    with pytest.raises(GateRefused, match=r"0 pairs, 1 groups.*test/1.png.*train/0.png.*--on-leakage regroup"):
        refuse_leakage(leakage)


def test_our_own_splits_can_be_checked_too_in_any_index() -> None:
    manifest = table([("a", "", ""), ("b", "", "")], [4, 4]).set_index(pd.Index([7, 3]))
    manifest = manifest.assign(split=["development", "golden"], fold=[0, -1])
    leakage = find_leakage(
        manifest,
        [DuplicatePair(first=0, second=1, similarity=0.9, transform="shifted")],
        column="split",
        max_examples=9,
    )
    assert (leakage.pairs, leakage.groups) == (1, 1)
    assert (leakage.examples[0].first, leakage.examples[0].second_split) == ("/0.png", "golden")
