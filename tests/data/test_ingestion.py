"""Reading a source: good images become rows, bad ones get a reason, and threads change nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hematovision.data.decoding import decode, encode_png, pixel_sha256
from hematovision.data.ingestion import Limits, Reading, image_files, read_source
from hematovision.data.manifest import INGESTED, attribute_columns, canonical
from hematovision.data.quality import measure
from hematovision.data.sources import Item, Source, SourceKind, open_source
from hematovision.data.store import ImageStore
from hematovision.errors import UnreadableImage, UsageError

LIMITS = Limits(max_pixels=1_000_000, min_side=8)
DATA = Path(__file__).parents[2].parent / "shared" / "data"


def picture(seed: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


class Listed:
    """A source of items made up for a test."""

    kind = SourceKind.CSV_MANIFEST
    root = Path()
    ignored: Mapping[str, int] = {"'.txt' files": 3}

    def __init__(self, *items: Item) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> Iterator[Item]:
        return iter(self._items)


def item(path: str, data: bytes, label: str = "a", group: str = "", split: str = "") -> Item:
    return Item(path, label, group, split, lambda: data)


def corner(image: np.ndarray) -> int:
    return int(image[0, 0, 0])


def read(source: Source, folder: Path, *, workers: int = 2) -> Reading[int]:
    return read_source(source, ImageStore(folder / "images"), limits=LIMITS, workers=workers, describe=corner)


def test_a_row_holds_what_is_known_of_an_image(tmp_path: Path) -> None:
    data = encode_png(picture(1))
    reading = read(Listed(item("x/1.png", data, "neutrophil", "patient 1", "test")), tmp_path)
    row = reading.manifest.iloc[0]
    measures = measure(picture(1))
    assert dict(row[["path", "label", "source_group", "source_split"]]) == {
        "path": "x/1.png",
        "label": "neutrophil",
        "source_group": "patient 1",
        "source_split": "test",
    }
    assert row["pixel_sha256"] == pixel_sha256(picture(1))
    assert (row["width"], row["height"], row["brightness"]) == (16, 16, measures.brightness)
    assert (row["contrast"], row["sharpness"]) == (measures.contrast, measures.sharpness)
    assert row["saturation"] == measures.saturation
    assert ImageStore(tmp_path / "images").read(row["sha256"]) == data
    assert reading.ignored == {"'.txt' files": 3}


def test_the_manifest_is_in_the_shared_form_even_when_empty(tmp_path: Path) -> None:
    for source in (Listed(), Listed(item("1.png", encode_png(picture(1))))):
        manifest = read(source, tmp_path).manifest
        assert list(manifest.columns) == list(INGESTED)
        pd.testing.assert_frame_equal(manifest, canonical(manifest))


def test_bad_images_are_quarantined_with_their_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    for name, data in {
        "a/good.png": encode_png(picture(1)),
        "a/truncated.png": encode_png(picture(2))[:300],
        "a/text.png": b"not a picture",
        "a/empty.jpg": b"",
        "a/tiny.png": encode_png(picture(3, side=7)),
        "a/large.png": encode_png(np.zeros((1001, 1000, 3), np.uint8)),
        "b/good.png": encode_png(picture(4)),
    }.items():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(data)
    reading = read(open_source(tmp_path / "data", voc_margin=0, max_pixels=LIMITS.max_pixels), tmp_path)
    assert list(reading.manifest["path"]) == ["a/good.png", "b/good.png"]
    reasons = dict(zip(reading.quarantine["path"], reading.quarantine["reason"], strict=True))
    assert list(reasons) == ["a/empty.jpg", "a/large.png", "a/text.png", "a/tiny.png", "a/truncated.png"]
    expected = ("0 bytes", "1,001,000 pixels", "looks like text", "at least 8", "ends early")
    assert all(part in reason for part, reason in zip(expected, reasons.values(), strict=True))
    assert len(list((tmp_path / "images").rglob("*.*"))) == 0
    assert len([path for path in (tmp_path / "images").rglob("*") if path.is_file()]) == 2


def test_an_image_without_a_label_is_quarantined(tmp_path: Path) -> None:
    reading = read(Listed(item("1.png", encode_png(picture(1)), label="")), tmp_path)
    assert reading.manifest.empty
    assert reading.quarantine.to_dict("records") == [{"path": "1.png", "reason": "the image has no label"}]


def test_what_the_description_finds_unusable_is_quarantined(tmp_path: Path) -> None:
    def describe(image: np.ndarray) -> int:
        raise UnreadableImage("no cell in it")

    source = Listed(item("1.png", encode_png(picture(1))))
    reading = read_source(source, ImageStore(tmp_path), limits=LIMITS, workers=1, describe=describe)
    assert reading.quarantine["reason"].tolist() == ["no cell in it"]


def test_a_path_names_one_image(tmp_path: Path) -> None:
    same, other = encode_png(picture(1)), encode_png(picture(2))
    reading = read(
        Listed(
            item("1", same),
            item("1", other),
            item("2", same, "a"),
            item("2", other, "b"),
            item("3", same),
            item("3", b""),
        ),
        tmp_path,
    )
    assert list(reading.manifest["path"]) == ["1", "3"]
    assert reading.manifest["pixel_sha256"].iloc[0] == pixel_sha256(picture(1))
    assert list(reading.quarantine.itertuples(index=False, name=None)) == [
        ("1", "named more than once; the first is used"),
        ("2", "labelled more than once, as a, b"),
        ("2", "labelled more than once, as a, b"),
        ("3", "the file is empty (0 bytes)"),
    ]


def test_threads_and_the_order_of_a_source_change_nothing(tmp_path: Path) -> None:
    items = [item(f"{n:02}.png", encode_png(picture(n)) if n % 7 else b"", f"class {n % 3}") for n in range(40)]
    one = read(Listed(*items), tmp_path / "one", workers=1)
    many = read(Listed(*reversed(items)), tmp_path / "many", workers=8)
    pd.testing.assert_frame_equal(one.manifest, many.manifest)
    pd.testing.assert_frame_equal(one.quarantine, many.quarantine)
    assert one.signatures == many.signatures
    assert one.signatures == [int(picture(n)[0, 0, 0]) for n in range(40) if n % 7]


def test_only_a_few_items_are_in_flight(tmp_path: Path) -> None:
    """A source that makes its images as it goes never runs far ahead of the reading."""
    taken: list[int] = []
    ahead: list[int] = []

    class Stream(Listed):
        def items(self) -> Iterator[Item]:
            for number, entry in enumerate(super().items()):
                taken.append(number)
                yield entry

    source = Stream(*[item(f"{n:03}", encode_png(picture(n))) for n in range(100)])
    read_source(
        source,
        ImageStore(tmp_path),
        limits=LIMITS,
        workers=2,
        describe=corner,
        progress=lambda done, _: ahead.append(len(taken) - done),
    )
    assert max(ahead) <= 8


def test_progress_counts_every_item_good_or_bad(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    source = Listed(*[item(str(n), b"" if n == 1 else encode_png(picture(n))) for n in range(3)])
    read_source(
        source,
        ImageStore(tmp_path),
        limits=LIMITS,
        workers=1,
        describe=corner,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_failure_of_ours_is_not_put_on_the_image(tmp_path: Path) -> None:
    def describe(image: np.ndarray) -> int:
        raise ZeroDivisionError

    source = Listed(*[item(str(n), encode_png(picture(n))) for n in range(50)])
    with pytest.raises(ZeroDivisionError):
        read_source(source, ImageStore(tmp_path), limits=LIMITS, workers=2, describe=describe)


def test_image_files_searches_folders(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "b/c/1.jpg", "b/.hidden.png", "b/notes.txt", "odd.dat"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = image_files([tmp_path / "b", tmp_path / "odd.dat", tmp_path / "b/2.PNG"])
    assert found == [tmp_path / "b/2.PNG", tmp_path / "b/c/1.jpg", tmp_path / "odd.dat"]


def test_image_files_says_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere: there is no such file or folder"):
        image_files([tmp_path, tmp_path / "nowhere"])
    with pytest.raises(UsageError, match=f"no image found in {tmp_path}"):
        image_files([tmp_path])
    with pytest.raises(UsageError, match="empty list"):
        image_files([])


@pytest.mark.skipif(not DATA.is_dir(), reason="the real cells are not at hand")
def test_real_cells_are_read(tmp_path: Path) -> None:
    source = open_source(DATA / "pbc500", voc_margin=0, max_pixels=LIMITS.max_pixels)
    reading = read(source, tmp_path)
    assert len(reading.manifest) == 500
    assert reading.quarantine.empty
    assert reading.manifest["label"].value_counts().to_dict() == dict.fromkeys(
        ["basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil"], 100
    )
    assert reading.ignored == {"files without a suffix": 1, "column 'original_name' of attributes.csv": 1}
    assert len(attribute_columns(reading.manifest)) == 11
    row = reading.manifest.iloc[123]
    stored = decode(ImageStore(tmp_path / "images").read(row["sha256"]), max_pixels=LIMITS.max_pixels)
    assert pixel_sha256(stored) == row["pixel_sha256"]


@pytest.mark.skipif(not DATA.is_dir(), reason="the real cells are not at hand")
def test_real_photographs_are_cropped(tmp_path: Path) -> None:
    reading = read(open_source(DATA / "bccd", voc_margin=0.1, max_pixels=LIMITS.max_pixels), tmp_path)
    assert reading.manifest["label"].value_counts().to_dict() == {"RBC": 4153, "WBC": 372, "Platelets": 361}
    assert reading.manifest["source_group"].nunique() == 364
    assert reading.quarantine["path"].tolist() == [
        "JPEGImages/BloodImage_00338.jpg#12",
        "JPEGImages/BloodImage_00343.jpg#3",
    ]


def test_attributes_become_columns_of_words(tmp_path: Path) -> None:
    plain = item("a.png", encode_png(picture(1)))
    described = replace(item("b.png", encode_png(picture(2))), attributes={"granules": "7"})
    manifest = read(Listed(plain, described), tmp_path).manifest
    assert manifest["attribute_granules"].tolist() == ["", "7"]
    assert list(manifest.columns) == [*INGESTED, "attribute_granules"]
