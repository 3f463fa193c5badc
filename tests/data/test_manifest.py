"""The manifest's schema, its digest and its files."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hematovision.data.manifest import (
    COMPLETE,
    IDENTITY_COLUMNS,
    INGESTED,
    attribute_columns,
    check_columns,
    class_counts,
    load_manifest,
    manifest_digest,
    save_manifest,
)
from hematovision.errors import HematoVisionError


def example() -> pd.DataFrame:
    rows = [
        ("b/2.png", "NA", "11", "21", "", "train", 8, 9, 0.1, 0.2, 1 / 3, 0.4, "", "cell-21", "development", 0),
        ("a/1, x.png", 'm"x', "12", "22", "slide 1", "test", 8, 9, 0.1, 0.2, 0.3, 0.4, "", "slide 1", "golden", -1),
        ("c/ü.png", "null", "13", "23", "", "train", 8, 9, 0.1, 0.2, 0.3, 1e-17, "", "cell-23", "development", 1),
    ]
    return pd.DataFrame(rows, columns=list(COMPLETE))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(HematoVisionError, match="no column 'sha256', 'width'"):
        check_columns(example().drop(columns=["sha256", "width"]), INGESTED)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_saved_manifest_reads_back_the_same(tmp_path: Path, suffix: str) -> None:
    read = load_manifest(save_manifest(example(), tmp_path / "new" / f"manifest{suffix}"))
    expected = example().sort_values("path").reset_index(drop=True)
    pd.testing.assert_frame_equal(read, expected.astype(dict(COMPLETE)))


def test_the_file_does_not_depend_on_the_order_of_rows_or_columns(tmp_path: Path) -> None:
    one = save_manifest(example(), tmp_path / "one.csv").read_bytes()
    shuffled = example().iloc[[2, 0, 1]][list(reversed(COMPLETE))]
    assert save_manifest(shuffled, tmp_path / "two.csv").read_bytes() == one
    assert b"\r" not in one


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HematoVisionError, match=r"\.csv or \.parquet"):
        save_manifest(example(), tmp_path / "manifest.pkl")


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(range(3)), columns=st.permutations(list(COMPLETE)))
def test_the_digest_is_of_the_content_not_of_its_order(order: list[int], columns: list[str]) -> None:
    assert manifest_digest(example().iloc[order][columns]) == manifest_digest(example())


@pytest.mark.parametrize("column", IDENTITY_COLUMNS)
def test_the_digest_sees_every_identity_column(column: str) -> None:
    changed = example()
    changed.loc[1, column] += "x"
    assert manifest_digest(changed) != manifest_digest(example())


def test_the_digest_ignores_what_is_derived_but_counts_rows() -> None:
    assert manifest_digest(example().assign(fold=7, brightness=0.9, group="other")) == manifest_digest(example())
    assert manifest_digest(pd.concat([example(), example().iloc[:1]])) != manifest_digest(example())


def test_text_cannot_move_between_columns_unseen() -> None:
    left = example().assign(path=["a", "b", "c"], label=["b,c", "x", "y"])
    right = example().assign(path=["a,b", "b", "c"], label=["c", "x", "y"])
    assert manifest_digest(left) != manifest_digest(right)


def test_class_counts_by_split_and_by_source_split() -> None:
    counts = class_counts(example())
    assert counts.loc["NA"].to_dict() == {"development": 1, "golden": 0, "total": 1}
    assert list(class_counts(example().drop(columns="split")).columns) == ["test", "train", "total"]
    assert list(class_counts(example().drop(columns="split").assign(source_split=""))) == ["unassigned", "total"]


def test_attributes_are_kept_as_words_and_are_no_part_of_the_identity(tmp_path: Path) -> None:
    described = example().assign(attribute_granules=["1", "", "NA"])
    assert manifest_digest(described) == manifest_digest(example())
    for name in ("m.csv", "m.parquet"):
        read = load_manifest(save_manifest(described, tmp_path / name))
        assert sorted(read["attribute_granules"]) == ["", "1", "NA"]
    assert attribute_columns(described) == ["attribute_granules"]
