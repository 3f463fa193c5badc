"""The golden set is frozen once, checked at every use, and never trained on."""

import json
from pathlib import Path

import pandas as pd
import pytest

from hematovision.data.golden import GoldenSet, assert_untouched, freeze_golden, load_golden
from hematovision.data.manifest import COMPLETE
from hematovision.errors import GateRefused, UsageError


def manifest(count: int = 6) -> pd.DataFrame:
    columns: dict[str, list[object]] = {name: [0] * count for name in COMPLETE}
    columns |= {
        "path": [f"{row}.png" for row in range(count)],
        "label": [f"class {row % 2}" for row in range(count)],
        "sha256": [f"bytes {row}" for row in range(count)],
        "pixel_sha256": [f"pixels {row}" for row in range(count)],
        "source_group": [""] * count,
        "source_split": [""] * count,
        "cluster": [""] * count,
        "group": [f"group {row}" for row in range(count)],
        "split": ["golden" if row % 3 == 0 else "development" for row in range(count)],
        "fold": [-1 if row % 3 == 0 else row % 2 for row in range(count)],
    }
    return pd.DataFrame(columns)


def freeze(folder: Path, table: pd.DataFrame | None = None, **changed: object) -> GoldenSet:
    parameters = {"seed": 1, "golden_fraction": 0.2} | changed
    return freeze_golden(manifest() if table is None else table, folder, data_version="v1", parameters=parameters)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_what_was_frozen_is_loaded(tmp_path: Path) -> None:
    frozen = freeze(tmp_path)
    loaded = load_golden(frozen.folder, digest=frozen.digest)
    assert loaded.rows["path"].tolist() == ["0.png", "3.png"]
    assert (loaded.data_version, loaded.parameters["seed"]) == ("v1", 1)
    record = json.loads((frozen.folder / "golden.json").read_text())
    assert (record["n"], record["classes"]) == (2, {"class 0": 1, "class 1": 1})


def test_freezing_the_same_rows_again_writes_nothing(tmp_path: Path) -> None:
    first = freeze(tmp_path)
    before = snapshot(tmp_path)
    assert freeze(tmp_path, manifest().iloc[::-1]).digest == first.digest
    assert snapshot(tmp_path) == before


def test_other_rows_for_the_same_data_and_parameters_are_refused(tmp_path: Path) -> None:
    first = freeze(tmp_path)
    before = snapshot(tmp_path)
    redrawn = manifest()
    redrawn.loc[1, ["split", "fold"]] = ["golden", -1]
    with pytest.raises(GateRefused, match="another golden set is frozen"):
        freeze(tmp_path, redrawn)
    assert snapshot(tmp_path) == before
    assert freeze(tmp_path, redrawn, seed=2).folder != first.folder


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("3.png,class 1", "3.png,class 0", r"golden\.csv: altered.*1 changed \(3\.png\)"),
        ("3.png,", "9.png,", r"1 missing \(3\.png\); 1 extra \(9\.png\)"),
        ("\n3.png", "\r\n3.png", "the same rows, written differently"),
        ("path,label", "label", "not a table any more"),
    ],
)
def test_an_altered_table_is_refused_and_the_rows_are_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    table = freeze(tmp_path).folder / "golden.csv"
    altered = table.read_bytes().replace(old.encode(), new.encode())
    assert altered != table.read_bytes()
    table.write_bytes(altered)
    with pytest.raises(GateRefused, match=told):
        load_golden(table.parent)
    with pytest.raises(GateRefused, match=told):
        freeze(tmp_path)


@pytest.mark.parametrize(("old", "new"), [('"v1"', '"v2"'), ('"n": 2', '"n": 3'), ("{", "[")])
def test_an_altered_record_is_refused(tmp_path: Path, old: str, new: str) -> None:
    record = freeze(tmp_path).folder / "golden.json"
    record.write_text(record.read_text().replace(old, new, 1))
    with pytest.raises(GateRefused, match=r"golden\.json"):
        load_golden(record.parent)


def test_a_set_replaced_as_a_whole_is_seen_by_its_digest(tmp_path: Path) -> None:
    frozen, other = freeze(tmp_path / "a"), freeze(tmp_path / "b", manifest(9))
    with pytest.raises(GateRefused, match="another golden set than expected"):
        load_golden(other.folder, digest=frozen.digest)


def test_a_kill_before_the_record_is_completed_by_the_next_call(tmp_path: Path) -> None:
    frozen = freeze(tmp_path)
    (frozen.folder / "golden.json").unlink()
    (frozen.folder / "golden.csv").write_bytes(b"half a ta")
    with pytest.raises(UsageError, match="no golden set here"):
        load_golden(frozen.folder)
    assert freeze(tmp_path).digest == frozen.digest


def test_a_missing_table_and_an_empty_set_are_refused(tmp_path: Path) -> None:
    frozen = freeze(tmp_path)
    (frozen.folder / "golden.csv").unlink()
    with pytest.raises(GateRefused, match=r"golden\.csv: missing"):
        load_golden(frozen.folder)
    with pytest.raises(GateRefused, match="nothing to freeze"):
        freeze(tmp_path, manifest().assign(split="development"))


@pytest.mark.parametrize(("column", "what"), [("sha256", "file"), ("pixel_sha256", "picture"), ("group", "group")])
def test_a_golden_cell_in_the_training_rows_is_refused(tmp_path: Path, column: str, what: str) -> None:
    golden = freeze(tmp_path)
    training = manifest().query("split == 'development'")
    assert_untouched(golden, training)
    training.loc[4, column] = golden.rows.loc[1, column]
    with pytest.raises(GateRefused, match=rf"1 training images share their {what} .*4\.png"):
        assert_untouched(golden, training)


def test_a_group_renamed_since_is_found_through_the_newer_manifest(tmp_path: Path) -> None:
    golden = freeze(tmp_path)
    newer = manifest().assign(group=lambda table: "renamed " + table["group"])
    newer.loc[4, "group"] = "renamed group 3"
    training = newer.query("split == 'development'")
    assert_untouched(golden, training)
    with pytest.raises(GateRefused, match=r"share their group .*4\.png"):
        assert_untouched(golden, training, manifest=newer)
