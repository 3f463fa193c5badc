"""Data versions kept and restored, by the real DVC format and on real files."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hematovision.data.decoding import encode_png
from hematovision.data.ingestion import Limits, read_source
from hematovision.data.manifest import INGESTED, manifest_digest
from hematovision.data.sources import open_source
from hematovision.data.sources.csv_manifest import CsvManifest
from hematovision.data.store import ImageStore
from hematovision.data.versioning import data_version, manifest_version
from hematovision.data.versions.keeping import KeptVersions
from hematovision.data.versions.records import KeptVersion, read_record
from hematovision.data.versions.restoring import contents, damaged, restore
from hematovision.errors import HematoVisionError, UsageError


def read(path: Path, images: ImageStore) -> pd.DataFrame:
    source = open_source(path, voc_margin=0.05, max_pixels=10_000)
    limits = Limits(max_pixels=10_000, min_side=4)
    return read_source(source, images, limits=limits, workers=2, describe=np.shape).manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes with a licence and expert attributes."""
    rng, folder = np.random.default_rng(3), tmp_path / "my cells"
    for name in ("basophil/a 1.png", "basophil/b.png", "monocyte/c.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_png(rng.integers(0, 255, (12, 14, 3), dtype=np.uint8)))
    (folder / "LICENSE").write_text("CC BY 4.0\n")
    (folder / "attributes.csv").write_text(
        'file,shape,patient\nbasophil/b.png,"round, small",p1\nmonocyte/c.png,oval,p2\n'
    )
    return folder


@pytest.fixture
def images(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


@pytest.fixture
def versions(tmp_path: Path) -> KeptVersions:
    return KeptVersions(tmp_path / "versions")


@pytest.fixture
def kept(folder: Path, images: ImageStore, versions: KeptVersions) -> KeptVersion:
    manifest = read(folder, images)
    return versions.keep(folder, manifest_version(manifest, str(folder)), manifest, images, synthetic=False)


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_restored_version_is_read_as_the_same_cells(
    folder: Path, images: ImageStore, versions: KeptVersions, kept: KeptVersion, tmp_path: Path
) -> None:
    before = read(folder, images)
    shutil.rmtree(folder)
    back = restore(kept, versions, tmp_path / "back")
    after = read(back, ImageStore(tmp_path / "other images"))
    pd.testing.assert_frame_equal(after, before)
    assert f"sha256:{manifest_digest(after)}" == kept.version
    assert after.set_index("path").loc["basophil/b.png", "attribute_shape"] == "round, small"
    assert (back / "LICENSE").read_text() == "CC BY 4.0\n"
    assert (back / "images" / "basophil" / "a 1.png").is_file()


def test_pictures_are_linked_not_copied(images: ImageStore, versions: KeptVersions, kept: KeptVersion) -> None:
    stored = {file.stat().st_ino for file in images.root.rglob("*") if file.is_file()}
    pictures = [versions.object(md5) for name, md5 in contents(kept, versions).items() if name.startswith("images/")]
    assert len(pictures) == 3
    assert {file.stat().st_ino for file in pictures} == stored


def test_keeping_again_writes_nothing_but_another_place(
    folder: Path, images: ImageStore, versions: KeptVersions, kept: KeptVersion
) -> None:
    cache = {file: file.stat().st_mtime_ns for file in versions.cache.rglob("*") if file.is_file()}
    elsewhere = Path(shutil.copytree(folder, folder.parent / "elsewhere"))
    manifest = read(elsewhere, images)
    again = versions.keep(elsewhere, manifest_version(manifest, str(elsewhere)), manifest, images, synthetic=False)
    assert {file: file.stat().st_mtime_ns for file in versions.cache.rglob("*") if file.is_file()} == cache
    assert [found.path for found in again.ingestions] == [str(folder), str(elsewhere)]
    assert versions.all() == [again]


def test_a_change_is_another_version_and_both_can_be_had(
    folder: Path, images: ImageStore, versions: KeptVersions, kept: KeptVersion, tmp_path: Path
) -> None:
    (folder / "basophil" / "b.png").rename(folder / "monocyte" / "b.png")
    manifest = read(folder, images)
    moved = versions.keep(folder, manifest_version(manifest, str(folder)), manifest, images, synthetic=False)
    assert moved.version != kept.version
    assert moved.classes == {"basophil": 1, "monocyte": 2}
    restore(versions.find(kept.version[:19]), versions, tmp_path / "old")
    assert (tmp_path / "old" / "images" / "basophil" / "b.png").is_file()
    with pytest.raises(UsageError, match="No data version"):
        versions.find("sha256:")
    with pytest.raises(UsageError, match="No data version '000000000'"):
        versions.find("000000000")


def test_dvc_itself_restores_a_version(versions: KeptVersions, kept: KeptVersion, tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "DVC_SITE_CACHE_DIR": str(tmp_path / "site")}
    command = [sys.executable, "-m", "dvc", "checkout", "-q", kept.file_name]
    done = subprocess.run(command, cwd=versions.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ours = restore(kept, versions, tmp_path / "ours")
    assert files_of(versions.folder / kept.file_name.removesuffix(".dvc")) == files_of(ours)


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_harm_is_named_and_nothing_half_is_left(
    versions: KeptVersions, kept: KeptVersion, tmp_path: Path, harm: str
) -> None:
    place = versions.object(contents(kept, versions)["images/monocyte/c.png"])
    place.unlink()
    if harm == "changed":
        place.write_bytes(b"another picture")
        place.chmod(0o444)
    assert damaged(kept, versions) == ["images/monocyte/c.png"]
    with pytest.raises(HematoVisionError, match=r"1 of 5 files are missing or damaged: images/monocyte/c\.png"):
        restore(kept, versions, tmp_path / "back" / "cells")
    assert list((tmp_path / "back").iterdir()) == []


def test_nothing_is_overwritten(versions: KeptVersions, kept: KeptVersion, tmp_path: Path) -> None:
    (tmp_path / "there").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="exists already"):
        restore(kept, versions, tmp_path / "there")


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "a//b", "nul\0", "..\\out", ""])
def test_a_listing_that_leads_out_of_the_folder_is_refused(
    versions: KeptVersions, kept: KeptVersion, tmp_path: Path, name: str
) -> None:
    md5 = contents(kept, versions)["LICENSE"]
    listing = json.dumps([{"md5": md5, "relpath": name}]).encode()
    content = hashlib.md5(listing, usedforsecurity=False).hexdigest() + ".dir"
    versions.object(content).parent.mkdir(parents=True, exist_ok=True)
    versions.object(content).write_bytes(listing)
    with pytest.raises(HematoVisionError, match="leads out of its folder"):
        restore(kept.model_copy(update={"content": content}), versions, tmp_path / "in" / "back")
    assert not (tmp_path / "out").exists() and not (tmp_path / "in" / "back").exists()


def test_an_altered_record_is_named(versions: KeptVersions, kept: KeptVersion) -> None:
    file = versions.folder / kept.file_name
    file.write_text(file.read_text().replace(kept.content, "0" * 32 + ".dir", 1))
    with pytest.raises(HematoVisionError, match=f"{file.name} is no record"):
        versions.all()
    file.write_text("nonsense")
    with pytest.raises(HematoVisionError, match="is no record"):
        read_record(file)


def test_a_pinned_folder_comes_back_as_it_was_pinned(
    folder: Path, images: ImageStore, versions: KeptVersions, tmp_path: Path
) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "DVC_SITE_CACHE_DIR": str(tmp_path / "site")}
    for command in (["init", "-q", "--no-scm"], ["add", "-q", folder.name]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=folder.parent, env=environment, check=True)
    version = data_version(folder.with_name(f"{folder.name}.dvc"))
    kept = versions.keep(folder, version, read(folder, images), images, synthetic=False)
    before = files_of(folder)
    shutil.rmtree(folder)
    assert kept.content == version.digest and kept.pinned and kept.files == 5
    assert files_of(restore(kept, versions, tmp_path / "back")) == before


_names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
_hostile = st.sampled_from(
    ["../x", "/etc/passwd", "a/../../b", "..", ".", "a//b", "a\\..\\b", "CON", "x" * 400, " lead", "trail ", "a\nb",
     "a\rb", "\r\n", '"', "'", ",", ";", "manifest.csv", "a.jpg#3", "train/17", "=1+1", "\N{RIGHT-TO-LEFT OVERRIDE}x"]
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    paths=st.lists(_names | _hostile, min_size=1, max_size=6, unique=True),
    label=_names.filter(lambda text: text.strip()),
    group=_names | st.just(""),
    attribute=_names | st.just(""),
)
def test_any_name_comes_back_exactly(paths: list[str], label: str, group: str, attribute: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        images, versions = ImageStore(root / "images"), KeptVersions(root / "versions")
        (root / "source").mkdir()
        digests = [images.put(path.encode() + b"!", durable=False) for path in paths]
        told = {"path": paths, "sha256": digests, "label": label, "source_group": group, "source_split": "train"}
        rows = pd.DataFrame({**told, "attribute_note": attribute, "pixel_sha256": digests})
        manifest = rows.reindex(columns=[*INGESTED, "attribute_note"]).fillna(0)
        version = manifest_version(manifest, "source")
        kept = versions.keep(root / "source", version, manifest, images, synthetic=False)
        back = restore(kept, versions, root / "deep" / "back")
        items = list(CsvManifest(back / "manifest.csv", max_pixels=1000).items())
        assert {item.path: item.load() for item in items} == {path: path.encode() + b"!" for path in paths}
        assert {(item.label, item.group, item.split) for item in items} == {(label, group, "train")}
        assert {item.attributes["note"] for item in items} == {attribute}
        assert {entry.name for entry in root.iterdir()} == {"images", "versions", "source", "deep"}
        assert [entry.name for entry in (root / "deep").iterdir()] == ["back"]
