"""The image store: same bytes once, checked at every reading, whole or not there."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hematovision.data.store import ImageStore
from hematovision.errors import HematoVisionError, UsageError


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "new" / "images")


def files(store: ImageStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("durable", [True, False])
def test_bytes_come_back_under_their_sha256(store: ImageStore, durable: bool) -> None:
    sha256 = store.put(b"a cell", durable=durable)
    store.sync()
    assert sha256 == hashlib.sha256(b"a cell").hexdigest()
    assert store.read(sha256) == b"a cell"
    assert files(store) == [store.path(sha256)]


def test_the_same_bytes_again_change_nothing(store: ImageStore) -> None:
    path = store.path(store.put(b"a cell"))
    before = path.stat()
    store.put(b"a cell")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("damage", [b"a cel", b"A cell", b""])
def test_altered_bytes_are_never_handed_out(store: ImageStore, damage: bytes) -> None:
    sha256 = store.put(b"a cell")
    store.path(sha256).unlink()
    store.path(sha256).write_bytes(damage)
    with pytest.raises(HematoVisionError, match=f"{sha256}: the stored image was altered"):
        store.read(sha256)
    assert store.put(b"a cell") == sha256
    assert store.read(sha256) == b"a cell"


def test_missing_bytes_are_named(store: ImageStore) -> None:
    with pytest.raises(HematoVisionError, match="missing from the store"):
        store.read("0" * 64)


def test_verify_finds_the_missing_and_the_damaged(store: ImageStore) -> None:
    good, bad, gone = (store.put(data) for data in (b"1", b"2", b"3"))
    store.path(bad).chmod(0o644)
    store.path(bad).write_bytes(b"other")
    store.path(gone).unlink()
    assert store.verify([gone, good, bad]) == [gone, bad]


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n", "0" * 62 + "/x"])
def test_only_a_digest_is_a_name(store: ImageStore, digest: str) -> None:
    with pytest.raises(UsageError, match="not a SHA-256"):
        store.path(digest)


def test_a_write_that_fails_leaves_nothing_behind(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            store.put(b"a cell")
    assert files(store) == []


def test_many_writers_of_the_same_bytes_agree(store: ImageStore) -> None:
    data = [bytes([number % 5]) * 1000 for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(store.put, data))
    assert len(digests) == len(files(store)) == 5
    assert store.verify(digests) == []
