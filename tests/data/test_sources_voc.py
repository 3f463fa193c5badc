"""Pascal VOC: boxes become crops, and an annotation that lies is named."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hematovision.data.decoding import decode, encode_png
from hematovision.data.sources import Item, Source, SourceKind, open_source, voc
from hematovision.errors import UnreadableImage

PHOTOGRAPH = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
BCCD = Path(__file__).parents[2].parent / "shared" / "data" / "bccd"


def box(*corners: object, name: str = "RBC") -> str:
    sides = "".join(f"<{side}>{value}</{side}>" for side, value in zip(voc._SIDES, corners, strict=True))
    return f"<object><name>{name}</name><bndbox>{sides}</bndbox></object>"


def annotate(path: Path, *boxes: str, filename: str = "1.png") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation><filename>{filename}</filename>{''.join(boxes)}</annotation>")


def photograph(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(PHOTOGRAPH))


def source(path: Path, margin: float = 0) -> Source:
    opened = open_source(path, voc_margin=margin, max_pixels=10_000)
    assert opened.kind == SourceKind.VOC
    assert len(list(opened.items())) == len(opened)
    return opened


def read(path: Path, margin: float = 0) -> list[Item]:
    return list(source(path, margin).items())


def pixels(item: Item) -> np.ndarray:
    return decode(item.load(), max_pixels=10_000)


def reason(item: Item) -> str:
    with pytest.raises(UnreadableImage) as caught:
        item.load()
    return str(caught.value)


def test_boxes_become_crops(tmp_path: Path) -> None:
    photograph(tmp_path / "JPEGImages/1.png")
    annotate(tmp_path / "Annotations/1.xml", box(10, 20, 25, 40), box(0, 0, 60, 40, name=" WBC "))
    first, second = read(tmp_path)
    assert (first.path, first.label, first.group, first.split) == ("JPEGImages/1.png#0", "RBC", "JPEGImages/1.png", "")
    assert (second.path, second.label) == ("JPEGImages/1.png#1", "WBC")
    np.testing.assert_array_equal(pixels(first), PHOTOGRAPH[20:40, 10:25])
    np.testing.assert_array_equal(pixels(second), PHOTOGRAPH)
    assert first.load() == first.load()


def test_the_margin_adds_context_as_far_as_the_photograph_reaches(tmp_path: Path) -> None:
    photograph(tmp_path / "JPEGImages/1.png")
    annotate(tmp_path / "Annotations/1.xml", box(20, 10, 30, 30), box(-4, 30, 6, 40))
    inner, corner = read(tmp_path, margin=0.1)
    np.testing.assert_array_equal(pixels(inner), PHOTOGRAPH[8:32, 19:31])
    np.testing.assert_array_equal(pixels(corner), PHOTOGRAPH[29:40, 0:7])


@pytest.mark.parametrize(
    ("corners", "why"),
    [
        ((5, 5, 5, 5), r"box 1 \(5, 5, 5, 5\) has no area"),
        ((9, 5, 5, 9), r"box 1 \(9, 5, 5, 9\) has no area"),
        ((60, 5, 70, 9), r"box 1 \(60, 5, 70, 9\) lies outside the photograph of 60×40 pixels"),
        ((-9, -9, 0, 0), "lies outside"),
        (("x", 5, 9, 9), "box 1 has no readable corners.*'x'"),
        (("", 5, 9, 9), "box 1 has no readable corners"),
        (("nan", 5, 9, 9), "box 1 has no readable corners"),
        ((5, 5, "inf", 9), "box 1 has no readable corners"),
    ],
)
def test_a_box_without_an_area_is_named_and_the_rest_goes_on(
    tmp_path: Path, corners: tuple[object, ...], why: str
) -> None:
    photograph(tmp_path / "JPEGImages/1.png")
    annotate(tmp_path / "Annotations/1.xml", box(1, 1, 9, 9), box(*corners), box(2, 2, 9, 9))
    first, refused, last = read(tmp_path, margin=0.5)
    with pytest.raises(UnreadableImage, match=why):
        refused.load()
    assert first.load() != last.load()


@given(*[st.floats(-100, 200, allow_nan=False)] * 4, st.floats(0, 2))
def test_any_box_gives_a_part_of_the_photograph_or_a_reason(
    xmin: float, ymin: float, xmax: float, ymax: float, margin: float
) -> None:
    try:
        crop = voc._Box(xmin, ymin, xmax, ymax).cut(PHOTOGRAPH, margin)
    except UnreadableImage:
        crop = None
    inside = min(xmax, 60) - max(xmin, 0), min(ymax, 40) - max(ymin, 0)
    assert (crop is not None) == (min(inside) >= 1)
    if crop is not None:
        assert 1 <= crop.shape[0] <= 40
        assert 1 <= crop.shape[1] <= 60


def test_each_xml_beside_its_photograph_in_split_folders(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        photograph(tmp_path / split / "1.png")
        annotate(tmp_path / split / "1.xml", box(1, 1, 9, 9))
    assert [(item.path, item.split) for item in read(tmp_path)] == [
        ("test/1.png#0", "test"),
        ("train/1.png#0", "train"),
        ("valid/1.png#0", "validation"),
    ]


@pytest.mark.parametrize("filename", ["1.png", "1.jpg", "", "C:\\scans\\1.png", "../../1.png", "renamed.png"])
def test_the_photograph_is_found_by_its_name_or_the_annotations(tmp_path: Path, filename: str) -> None:
    photograph(tmp_path / "set/images/1.png")
    photograph(tmp_path / "1.png")
    annotate(tmp_path / "set/Annotations/1.xml", box(1, 1, 9, 9), filename=filename)
    assert [item.path for item in read(tmp_path / "set")] == ["images/1.png#0"]


def test_broken_annotations_and_missing_photographs_are_named(tmp_path: Path) -> None:
    photograph(tmp_path / "JPEGImages/1.png")
    annotate(tmp_path / "Annotations/1.xml", box(1, 1, 9, 9))
    annotate(tmp_path / "Annotations/2.xml", box(1, 1, 9, 9), filename="2.png")
    (tmp_path / "Annotations/3.xml").write_text("<annotation><object>")
    (tmp_path / "Annotations/4.xml").write_text("<html></html>")
    (tmp_path / "Annotations/5.xml").write_bytes(b"")
    (tmp_path / "Annotations/6.xml").write_text("<?xml version='1.0' encoding='nonsense'?><annotation/>")
    items = {item.path: item for item in read(tmp_path)}
    assert items.pop("JPEGImages/1.png#0").load()
    assert list(items) == [f"Annotations/{number}.xml" for number in range(2, 7)]
    reasons = [reason(item) for item in items.values()]
    assert reasons[0] == "its photograph '2.png' is missing"
    assert "no readable XML" in reasons[1]
    assert "not a Pascal VOC annotation: its root element is <html>" in reasons[2]
    assert "no readable XML" in reasons[3]
    assert "no readable XML" in reasons[4]


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    photograph(tmp_path / "JPEGImages/1.png")
    bomb = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><annotation><filename>&c;</filename></annotation>'
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations/1.xml").write_text(bomb)
    assert "no readable XML" in reason(read(tmp_path)[0])


def test_an_unreadable_photograph_is_the_reason_of_each_of_its_boxes(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "JPEGImages/1.png").write_bytes(encode_png(PHOTOGRAPH)[:100])
    annotate(tmp_path / "Annotations/1.xml", box(1, 1, 9, 9), box(2, 2, 9, 9))
    assert [reason(item).split(":")[0] for item in read(tmp_path)] == ["its photograph cannot be used"] * 2


def test_photographs_without_boxes_are_counted(tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "3.png"):
        photograph(tmp_path / "JPEGImages" / name)
    annotate(tmp_path / "Annotations/1.xml", box(1, 1, 9, 9))
    annotate(tmp_path / "Annotations/2.xml", filename="2.png")
    assert source(tmp_path).ignored == {"photographs without boxes": 2}


def test_a_photograph_is_decoded_once_for_all_its_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photograph(tmp_path / "JPEGImages/1.png")
    annotate(tmp_path / "Annotations/1.xml", *[box(1, 1, 9, 9)] * 5)
    decoded: list[int] = []

    def counted(data: bytes, *, max_pixels: int) -> np.ndarray:
        decoded.append(len(data))
        return decode(data, max_pixels=max_pixels)

    monkeypatch.setattr(voc, "decode", counted)
    items = read(tmp_path)
    for item in items:
        item.load()
    assert len(decoded) == 1
    items[0].load()
    assert len(decoded) == 2, "the pixels are kept after the last box"


@pytest.mark.skipif(not BCCD.is_dir(), reason="the BCCD photographs are not at hand")
def test_bccd() -> None:
    opened = open_source(BCCD, voc_margin=0.1, max_pixels=10_000_000)
    items = list(opened.items())
    assert (opened.kind, len(items), len({item.group for item in items})) == (SourceKind.VOC, 4888, 364)
    by_path = {item.path: item for item in items}
    assert reason(by_path["JPEGImages/BloodImage_00338.jpg#12"]) == "box 12 (504, 337, 504, 337) has no area"
    assert reason(by_path["JPEGImages/BloodImage_00343.jpg#3"]) == "box 3 (181, 329, 181, 329) has no area"
