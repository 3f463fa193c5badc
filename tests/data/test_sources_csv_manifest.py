"""CSV manifests: many ways to write the same table, and rows that point where they must not."""

import contextlib
import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hematovision.data.sources import Item, SourceKind, open_source
from hematovision.data.sources.csv_manifest import CsvManifest
from hematovision.errors import UnreadableImage, UsageError


def read(table: Path, text: str, *, encoding: str = "utf-8") -> list[Item]:
    table.write_bytes(text.encode(encoding))
    source = CsvManifest(table, max_pixels=10_000)
    items = list(source.items())
    assert len(items) == len(source)
    return items


def rows(items: list[Item]) -> list[tuple[str, str, str, str]]:
    return [(item.path, item.label, item.group, item.split) for item in items]


def reason(item: Item) -> str:
    with pytest.raises(UnreadableImage) as caught:
        item.load()
    return str(caught.value)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"bytes of a")
    (tmp_path / "outside.png").write_bytes(b"secret")
    return folder / "manifest.csv"


def test_a_folder_with_a_manifest(table: Path) -> None:
    table.write_text("path,label,group,split\na.png,neutrophil,p1,train\nsub/b.png,monocyte,p2,test\n")
    source = open_source(table.parent, voc_margin=0, max_pixels=10_000)
    items = list(source.items())
    assert source.kind == SourceKind.CSV_MANIFEST
    assert rows(items) == [("a.png", "neutrophil", "p1", "train"), ("sub/b.png", "monocyte", "p2", "test")]
    assert items[0].load() == b"bytes of a"
    assert "missing" in reason(items[1])


@pytest.mark.parametrize(
    "header",
    [
        "path,label,group,split",
        "Image,Class,Patient,Set",
        "filename,class_name,slide_id,SPLIT",
        "file, Label ,patient id,set",
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_other_names_and_separators(table: Path, header: str, separator: str) -> None:
    text = f"\ufeff{header}\r\n a.png , b cell ,7,VAL\r\n\r\n".replace(",", separator)
    assert rows(read(table, text)) == [("a.png", "b cell", "7", "validation")]


def test_group_and_split_may_be_absent_and_other_columns_are_left_alone(table: Path) -> None:
    assert rows(read(table, "label,age,path\nx,50,a.png\n")) == [("a.png", "x", "", "")]


def test_the_patient_is_the_group_where_the_slide_is_known_too(table: Path) -> None:
    assert rows(read(table, "path,label,slide,patient\na.png,x,s1,p1\n")) == [("a.png", "x", "p1", "")]


@pytest.mark.parametrize("header", ["path,age", "label,age", "", "a.png,neutrophil"])
def test_a_table_without_path_or_label_is_refused(table: Path, header: str) -> None:
    with pytest.raises(UsageError, match=r"manifest\.csv: no column for the (path|label)"):
        read(table, header + "\n")


def test_text_in_another_encoding_is_refused(table: Path) -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        read(table, "path,label\na.png,éosinophile\n", encoding="latin-1")


@pytest.mark.parametrize(
    "written", ["../outside.png", "x/../../outside.png", "..\\outside.png", "{parent}/outside.png"]
)
def test_a_path_that_leads_outside_is_refused(table: Path, written: str) -> None:
    cell = written.format(parent=table.parent.parent)
    (refused, good) = read(table, f"path,label\n{cell},x\na.png,x\n")
    assert "leads outside the data folder" in reason(refused)
    assert good.load() == b"bytes of a"


def test_a_link_that_leads_outside_is_refused(table: Path) -> None:
    (table.parent / "link.png").symlink_to("../outside.png")
    assert "leads outside" in reason(read(table, "path,label\nlink.png,x\n")[0])


@pytest.mark.parametrize("written", ["./a.png", "sub\\..\\a.png", "{parent}/a.png"])
def test_ways_to_write_a_path_inside(table: Path, written: str) -> None:
    (table.parent / "sub").mkdir()
    (item,) = read(table, f"path,label\n{written.format(parent=table.parent)},x\n")
    assert item.load() == b"bytes of a"


def test_rows_that_lack_something_are_named_by_their_line(table: Path) -> None:
    items = read(table, "path,label,split\na.png,,\n,x,\na.png\na.png,x,holdout\n")
    assert [reason(item) for item in items] == [
        "line 2 of manifest.csv gives no label",
        "the row names no image",
        "line 4 of manifest.csv gives no label",
        "line 5 of manifest.csv has the split 'holdout', none of train, validation and test",
    ]
    assert items[1].path == "manifest.csv line 3"


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cc"]), max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELLS, CELLS, CELLS, st.sampled_from(["", "train", "Valid", "TEST"])), max_size=6))
def test_every_row_that_is_not_blank_is_an_item(table: Path, cells: list[tuple[str, str, str, str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([("path", "label", "group", "split"), *cells])
    items = read(table, text.getvalue())
    wanted = [[cell.strip() for cell in row] for row in cells]
    wanted = [row for row in wanted if any(row)]
    assert [(item.label, item.group, item.split[:2]) for item in items] == [
        (label, group, {"Valid": "va"}.get(split, split[:2].lower())) for _, label, group, split in wanted
    ]
    for item in items:
        with contextlib.suppress(UnreadableImage):
            assert item.load() in (b"bytes of a", text.getvalue().encode())


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_whatever_the_bytes_only_a_usage_error_comes_out(table: Path, data: bytes) -> None:
    table.write_bytes(b"path,label\n" + data)
    with contextlib.suppress(UsageError):
        assert all(item.path for item in CsvManifest(table, max_pixels=10_000).items())


def test_columns_of_origin_become_attributes(table: Path) -> None:
    items = read(table, "path,label,Site,scanner,patient_name\na.png,b,Ulm,DM96,Doe\n")
    assert items[0].attributes == {"site": "Ulm", "scanner": "DM96"}
