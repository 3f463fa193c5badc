"""`open_source` recognises a layout or says, in words a person can act on, why it does not."""

from pathlib import Path

import pytest

from hematovision.data.sources import SourceKind, open_source
from hematovision.errors import UsageError

CONTENTS = {
    ".csv": "path,label\nx.png,a\n",
    ".xml": "<annotation><object><name>a</name></object></annotation>",
}


def plant(root: Path, *names: str) -> Path:
    """Files that need to look right by their names only."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(CONTENTS.get(Path(name).suffix, ""))
    return root


def opened(path: Path, kind: SourceKind | None = None) -> tuple[SourceKind, Path]:
    source = open_source(path, kind=kind, voc_margin=0, max_pixels=10_000)
    return source.kind, source.root


def refusal(path: Path, kind: SourceKind | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        opened(path, kind)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("names", "kind", "inner"),
    [
        (("a/1.png", "b/1.png"), SourceKind.CLASS_FOLDER, ""),
        (("a/1.png", "b/1.png", "attributes.csv"), SourceKind.CLASS_FOLDER, ""),
        (("a/1.png",), SourceKind.CLASS_FOLDER, ""),
        (("a/slide/1.png", "b/slide/1.png"), SourceKind.CLASS_FOLDER, ""),
        (("train/a/1.png",), SourceKind.CLASS_FOLDER, ""),
        (("x/y/train/a/1.png", "x/README"), SourceKind.CLASS_FOLDER, "x/y"),
        (("x/a/1.png", "x/b/1.png"), SourceKind.CLASS_FOLDER, "x"),
        (("a/1.png", "manifest.csv"), SourceKind.CSV_MANIFEST, ""),
        (("x/a/1.png", "x/manifest.csv"), SourceKind.CSV_MANIFEST, "x"),
        (("Annotations/1.xml", "JPEGImages/1.png"), SourceKind.VOC, ""),
        (
            ("VOCdevkit/VOC2012/Annotations/1.xml", "VOCdevkit/VOC2012/JPEGImages/1.png"),
            SourceKind.VOC,
            "VOCdevkit/VOC2012",
        ),
        (("1.xml", "1.png"), SourceKind.VOC, ""),
        (("x/1.xml", "x/1.png"), SourceKind.VOC, "x"),
        (("train/1.xml", "train/1.png", "test/2.xml", "test/2.png"), SourceKind.VOC, ""),
    ],
)
def test_a_layout_is_recognised(tmp_path: Path, names: tuple[str, ...], kind: SourceKind, inner: str) -> None:
    assert opened(plant(tmp_path, *names)) == (kind, tmp_path / inner)


def test_a_csv_file_of_any_name(tmp_path: Path) -> None:
    plant(tmp_path, "cells.csv", "a/1.png")
    assert opened(tmp_path / "cells.csv") == (SourceKind.CSV_MANIFEST, tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    assert "no such file or folder" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("names", [(), ("README", "docs/notes.txt"), (".hidden/1.png",)])
def test_an_empty_folder(tmp_path: Path, names: tuple[str, ...]) -> None:
    message = refusal(plant(tmp_path, *names))
    assert "holds no images" in message
    assert "neutrophil/1.jpg" in message


@pytest.mark.parametrize("names", [("1.png", "2.png"), ("train/1.png", "test/2.png")])
@pytest.mark.parametrize("kind", [None, SourceKind.CLASS_FOLDER])
def test_images_without_classes(tmp_path: Path, names: tuple[str, ...], kind: SourceKind | None) -> None:
    message = refusal(plant(tmp_path, *names), kind)
    assert "holds 2 images but nothing that says their classes" in message
    assert "manifest.csv with the columns path,label" in message


def test_two_layouts_at_once_are_a_question(tmp_path: Path) -> None:
    plant(tmp_path, "Annotations/1.xml", "JPEGImages/1.png", "neutrophil/1.png")
    assert "as voc or as class-folder; say which" in refusal(tmp_path)
    assert opened(tmp_path, SourceKind.VOC)[0] == SourceKind.VOC
    assert opened(tmp_path, SourceKind.CLASS_FOLDER)[0] == SourceKind.CLASS_FOLDER


@pytest.mark.parametrize(
    "other", ["other/manifest.csv", "other/Annotations/1.xml", "other/train/a/1.png", "other/x/images/TRAIN/a/1.png"]
)
def test_a_folder_of_data_sets_is_not_a_folder_of_classes(tmp_path: Path, other: str) -> None:
    plant(tmp_path, "first/a/1.png", "first/b/1.png", other)
    plant(tmp_path, other.rpartition("/")[0] + "/1.png")
    assert "holds whole data sets (other)" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["cells.zip", "cell.png", "notes.txt"])
def test_a_file_that_is_no_data_set(tmp_path: Path, name: str) -> None:
    plant(tmp_path, name)
    assert "no data set" in refusal(tmp_path / name)


def test_a_kind_that_does_not_fit(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.png", "cells.csv")
    assert "read as csv-manifest, not as voc" in refusal(tmp_path / "cells.csv", SourceKind.VOC)
    assert "no manifest.csv" in refusal(tmp_path, SourceKind.CSV_MANIFEST)
    assert "none found" in refusal(tmp_path, SourceKind.MEDMNIST)
    assert "no images of the layout voc" in refusal(tmp_path, SourceKind.VOC)
