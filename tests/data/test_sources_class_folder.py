"""Class folders: flat or below split folders, with what strangers leave lying in them."""

import os
from pathlib import Path

import numpy as np
import pytest

from hematovision.data.decoding import encode_png
from hematovision.data.sources import Item, SourceKind, open_source
from hematovision.errors import UnreadableImage, UsageError

IMAGE = encode_png(np.zeros((8, 8, 3), np.uint8))


def plant(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(IMAGE)
    return root


def read(path: Path) -> dict[str, Item]:
    source = open_source(path, voc_margin=0, max_pixels=10_000)
    assert source.kind == SourceKind.CLASS_FOLDER
    items = list(source.items())
    assert len(items) == len(source)
    return {item.path: item for item in items}


def labels(path: Path) -> dict[str, tuple[str, str]]:
    return {name: (item.label, item.split) for name, item in read(path).items()}


def reason(item: Item) -> str:
    with pytest.raises(UnreadableImage) as caught:
        item.load()
    return str(caught.value)


def test_a_folder_per_class(tmp_path: Path) -> None:
    plant(tmp_path, "b cell/2.PNG", "b cell/slide 1/1.jpg", "a/3.tiff")
    items = read(tmp_path)
    assert list(items) == ["a/3.tiff", "b cell/2.PNG", "b cell/slide 1/1.jpg"]
    assert {(item.label, item.group, item.split) for item in items.values()} == {("a", "", ""), ("b cell", "", "")}
    assert items["a/3.tiff"].load() == IMAGE


def test_one_class_is_a_source(tmp_path: Path) -> None:
    assert labels(plant(tmp_path, "neutrophil/1.png")) == {"neutrophil/1.png": ("neutrophil", "")}


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        *(
            ("train", "train"),
            ("TRAIN", "train"),
            ("Training", "train"),
            ("val", "validation"),
            ("valid", "validation"),
        ),
        *(("Validation", "validation"), ("test", "test"), ("TEST", "test"), ("TEST_SIMPLE", "test")),
    ],
)
def test_split_folders_above_the_classes(tmp_path: Path, folder: str, split: str) -> None:
    plant(tmp_path, f"{folder}/a/1.png", f"{folder}/b/2.png")
    assert labels(tmp_path) == {f"{folder}/a/1.png": ("a", split), f"{folder}/b/2.png": ("b", split)}


def test_folders_that_only_wrap_the_data_are_gone_through(tmp_path: Path) -> None:
    plant(tmp_path, "dataset2-master/images/TRAIN/a/1.png", "dataset2-master/images/TEST/a/1.png")
    plant(tmp_path, "__MACOSX/dataset2-master/._images")
    (tmp_path / "dataset2-master/labels.csv").write_text("x,y\n")
    assert labels(tmp_path) == {"TEST/a/1.png": ("a", "test"), "TRAIN/a/1.png": ("a", "train")}


def test_what_is_no_image_is_ignored_and_counted(tmp_path: Path) -> None:
    plant(
        tmp_path,
        "a/1.png",
        "a/.hidden.png",
        ".cache/x/1.png",
        "a/Thumbs.db",
        "a/notes.txt",
        "LICENSE",
        "b/x.TXT",
        "b/2.png",
    )
    source = open_source(tmp_path, voc_margin=0, max_pixels=10_000)
    assert [item.path for item in source.items()] == ["a/1.png", "b/2.png"]
    assert source.ignored == {"files without a suffix": 1, "'.db' files": 1, "'.txt' files": 2}


def test_an_image_without_a_class_cannot_be_loaded(tmp_path: Path) -> None:
    items = read(plant(tmp_path, "a/1.png", "stray.png"))
    assert "outside every class folder" in reason(items["stray.png"])


def test_images_beside_the_classes_of_a_split_cannot_be_loaded(tmp_path: Path) -> None:
    items = read(plant(tmp_path, "train/a/1.png", "train/stray.png", "extra/b/1.png"))
    assert "outside every class folder" in reason(items["train/stray.png"])
    assert "'extra'" in reason(items["extra/b/1.png"])


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    outside = plant(tmp_path / "outside", "secret.png", "b/1.png")
    inside = plant(tmp_path / "inside", "a/1.png")
    (inside / "a/secret.png").symlink_to(outside / "secret.png")
    (inside / "a/broken.png").symlink_to("nothing.png")
    (inside / "a/copy.png").symlink_to("1.png")
    (inside / "b").symlink_to(outside / "b")
    (inside / "a/loop").symlink_to(inside)
    (inside / "a/self.png").symlink_to("self.png")
    items = read(inside)
    assert sorted(items) == ["a/1.png", "a/broken.png", "a/copy.png", "a/loop", "a/secret.png", "a/self.png", "b"]
    assert items["a/copy.png"].load() == IMAGE
    assert "leads outside" in reason(items["a/secret.png"])
    assert "broken link" in reason(items["a/broken.png"])
    assert "cannot be read" in reason(items["a/self.png"])
    assert "link to a folder" in reason(items["b"])
    assert "link to a folder" in reason(items["a/loop"])


def test_only_regular_files_of_a_sane_size_are_read(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.png")
    os.mkfifo(tmp_path / "a/pipe.png")
    with (tmp_path / "a/huge.png").open("wb") as file:
        file.truncate(10**9)
    items = read(tmp_path)
    assert "not a regular file" in reason(items["a/pipe.png"])
    assert "1,000,000,000 bytes" in reason(items["a/huge.png"])


def test_a_name_that_is_no_text_still_has_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / os.fsdecode(b"a/caf\xe9.png")).write_bytes(IMAGE)
    items = read(tmp_path)
    assert list(items) == [r"a/caf\xe9.png"]
    assert items[r"a/caf\xe9.png"].load() == IMAGE


ATTRIBUTES = "File,label,Nucleus shape,patient,note\na/1.png,a,round,p1,\na/2.png,a,NA,p1,no\nb/9.png,b,lobed,p2,\n"


def test_an_attribute_table_describes_its_images(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.png", "a/2.png", "a/3.png", "b/9.png")
    (tmp_path / "attributes.csv").write_text(ATTRIBUTES)
    items = read(tmp_path)
    assert items["a/1.png"].attributes == {"nucleus_shape": "round", "note": ""}
    assert items["a/2.png"].attributes == {"nucleus_shape": "NA", "note": "no"}
    assert items["a/3.png"].attributes == {}
    assert [items[name].group for name in ("a/1.png", "a/3.png", "b/9.png")] == ["p1", "", "p2"]
    assert open_source(tmp_path, voc_margin=0, max_pixels=10_000).ignored == {
        "images without a row in attributes.csv": 1
    }


def test_attribute_rows_of_no_image_are_named(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.png", "b/9.png")
    (tmp_path / "attributes.csv").write_text(ATTRIBUTES)
    assert "1 of its rows name no image of this folder: a/2.png" in reason(read(tmp_path)["attributes.csv"])


def test_a_column_of_names_is_no_attribute(tmp_path: Path) -> None:
    names = [f"a/{number}.png" for number in range(102)]
    plant(tmp_path, *names)
    lines = [f"{name},{number},{'odd' if number % 2 else 'even'}\n" for number, name in enumerate(names)]
    (tmp_path / "attributes.csv").write_text("path,original,parity\n" + "".join(lines))
    assert read(tmp_path)["a/3.png"].attributes == {"parity": "odd"}
    assert open_source(tmp_path, voc_margin=0, max_pixels=10_000).ignored == {"column 'original' of attributes.csv": 1}


@pytest.mark.parametrize(
    ("table", "message"),
    [("colour\nred\n", "no column for the path"), ("path,x\na/1.png,1\na/1.png,2\n", "line 3 names a/1.png a second")],
)
def test_an_attribute_table_that_cannot_be_used_stops_the_reading(tmp_path: Path, table: str, message: str) -> None:
    plant(tmp_path, "a/1.png")
    (tmp_path / "attributes.csv").write_text(table)
    with pytest.raises(UsageError, match=message):
        open_source(tmp_path, voc_margin=0, max_pixels=10_000)
