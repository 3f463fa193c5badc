"""MedMNIST archives: images streamed, labels checked, nothing unpickled."""

import contextlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hematovision.data.decoding import decode
from hematovision.data.sources import SourceKind, open_source
from hematovision.data.sources.medmnist import BLOODMNIST_CLASSES
from hematovision.errors import UnreadableImage, UsageError


def images(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def archive(path: Path, **arrays: np.ndarray) -> Path:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def read(path: Path) -> list[tuple[str, str, str, str, np.ndarray]]:
    source = open_source(path, voc_margin=0, max_pixels=10_000)
    assert source.kind == SourceKind.MEDMNIST
    rows = [(i.path, i.label, i.group, i.split, decode(i.load(), max_pixels=10_000)) for i in source.items()]
    assert len(rows) == len(source)
    return rows


def test_bloodmnist_as_published(tmp_path: Path) -> None:
    pictures = {"train": images(8, 28, 28, 3), "val": images(2, 28, 28, 3), "test": images(1, 28, 28, 3)}
    numbers = {"train": np.arange(8), "val": np.array([7, 0]), "test": np.array([3])}
    arrays = {f"{name}_images": pictures[name] for name in pictures}
    arrays |= {f"{name}_labels": numbers[name].astype(np.uint8).reshape(-1, 1) for name in numbers}
    rows = read(archive(tmp_path / "bloodmnist_64.npz", **arrays))
    assert [row[0] for row in rows] == [f"train/{n}" for n in range(8)] + ["val/0", "val/1", "test/0"]
    assert [row[1] for row in rows] == [*BLOODMNIST_CLASSES, "platelet", "basophil", "immature_granulocyte"]
    assert [row[3] for row in rows] == ["train"] * 8 + ["validation"] * 2 + ["test"]
    assert {row[2] for row in rows} == {""}
    np.testing.assert_array_equal(np.stack([row[4] for row in rows]), np.concatenate(list(pictures.values())))


def test_the_classes_are_known_by_the_file_name_or_by_eight_in_colour(tmp_path: Path) -> None:
    few = archive(tmp_path / "BloodMNIST.npz", train_images=images(2, 9, 9), train_labels=np.array([0, 6]))
    assert [row[1] for row in read(few)] == ["basophil", "neutrophil"]
    all_eight = archive(tmp_path / "renamed.npz", train_images=images(8, 9, 9, 3), train_labels=np.arange(8))
    assert [row[1] for row in read(all_eight)] == list(BLOODMNIST_CLASSES)
    grey = archive(tmp_path / "tissuemnist.npz", train_images=images(8, 9, 9), train_labels=np.arange(8))
    assert [row[1] for row in read(grey)] == [f"class-{number}" for number in range(8)]


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1)])
def test_grey_images_of_any_size(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pictures = images(3, *shape)
    rows = read(archive(tmp_path / "any.npz", test_images=pictures, test_labels=np.array([0, 1, 1])))
    for row, picture in zip(rows, pictures, strict=True):
        np.testing.assert_array_equal(row[4], np.stack([picture.reshape(9, 7)] * 3, axis=2))


def test_a_folder_with_one_archive_is_that_archive(tmp_path: Path) -> None:
    archive(tmp_path / "a.npz", train_images=images(1, 9, 9), train_labels=np.array([0]))
    assert len(read(tmp_path)) == 1
    archive(tmp_path / "b.npz", train_images=images(1, 9, 9), train_labels=np.array([0]))
    with pytest.raises(UsageError, match=r"one \.npz file is wanted, a\.npz, b\.npz found"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"x": images(2, 9, 9)}, "holds no images"),
        ({"train_images": images(2, 9, 9)}, "train_labels"),
        ({"train_images": images(2, 9, 9), "train_labels": np.arange(3)}, "2 images but 3 labels"),
        ({"train_images": images(2, 9, 9), "train_labels": np.zeros((2, 14), int)}, "not one whole number an image"),
        ({"train_images": images(2, 9, 9), "train_labels": np.array([0.5, 1])}, "not one whole number an image"),
        ({"train_images": images(2, 9, 9), "train_labels": np.array([-1, 1])}, "no class numbers"),
        ({"train_images": images(2, 9, 9) / 255, "train_labels": np.arange(2)}, "float64, not uint8"),
        ({"train_images": images(2, 9, 9, 9), "train_labels": np.arange(2)}, "not N×H×W"),
        ({"train_images": np.asfortranarray(images(2, 9, 9)), "train_labels": np.arange(2)}, "ascontiguousarray"),
        ({"train_images": images(0, 9, 9), "train_labels": np.arange(0)}, "holds no images"),
        ({"train_images": np.array([{}, {}]), "train_labels": np.arange(2)}, "object, not uint8"),
        ({"train_images": images(2, 9, 9), "train_labels": np.array([{}, {}])}, "allow_pickle"),
    ],
)
def test_what_is_no_medmnist_archive_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], reason: str) -> None:
    with pytest.raises(UsageError, match=rf"a\.npz: not a readable MedMNIST.*{reason}"):
        read(archive(tmp_path / "a.npz", **arrays))


def test_too_large_images_are_refused_one_by_one(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.npz", train_images=images(2, 101, 100), train_labels=np.array([0, 1]))
    items = list(open_source(path, voc_margin=0, max_pixels=10_000).items())
    assert [(item.path, item.label) for item in items] == [("train/0", "class-0"), ("train/1", "class-1")]
    with pytest.raises(UnreadableImage, match="100×101, more than the limit of 10,000"):
        items[0].load()


def test_a_damaged_archive_stops_with_the_image_it_breaks_at(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, train_images=images(200, 40, 40), train_labels=np.arange(200) % 3)  # stored, so only the CRC tells
    data = bytearray(path.read_bytes())
    data[60_000] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"damaged at image train/199 .*fetch the file again"):
        read(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 3000), position=st.integers(0, 3000), value=st.integers(0, 255))
def test_whatever_the_bytes_only_a_usage_error_comes_out(tmp_path: Path, cut: int, position: int, value: int) -> None:
    path = archive(tmp_path / "a.npz", train_images=images(20, 9, 9), train_labels=np.arange(20) % 3)
    data = bytearray(path.read_bytes())
    data[position % len(data)] = value
    path.write_bytes(data[: len(data) - cut % len(data)] if cut % 2 else data)
    with contextlib.suppress(UsageError):
        assert len(read(path)) <= 20


def test_images_are_streamed(tmp_path: Path) -> None:
    """An archive that promises more than there is gives what it has, and never makes room for the promise."""
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 90, 90, 3), }".ljust(117) + "\n"
    promise = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    np.save(tmp_path / "labels.npy", np.zeros(10**6, np.uint8))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("train_images.npy", promise + bytes(90 * 90 * 3))
        file.write(tmp_path / "labels.npy", "train_labels.npy")
    items = open_source(tmp_path / "a.npz", voc_margin=0, max_pixels=10_000).items()
    assert next(items).path == "train/0"
    with pytest.raises(UsageError, match=r"damaged at image train/1 \(the file ends early\)"):
        next(items)
