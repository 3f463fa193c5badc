"""The data version, checked by the real DVC in a repository made for the test."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from hematovision.data.manifest import IDENTITY_COLUMNS
from hematovision.data.versioning import (
    data_version,
    ensure_cached,
    manifest_version,
    move_pin,
    pinned_files,
    verify_pinned,
)
from hematovision.errors import GateRefused, UsageError


def generate(folder: Path) -> None:
    for name in ("cells/a/1.png", "cells/a/2.png", "cells/b/3.png", "about.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 20)


def run(command: list[str], folder: Path, home: Path) -> str:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "DVC_NO_ANALYTICS": "1"}
    environment |= {"DVC_SITE_CACHE_DIR": str(home / "site"), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(folder: Path, home: Path, *arguments: str) -> str:
    return run([sys.executable, "-m", "dvc", *arguments], folder, home)


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose data.dvc is committed, as its author left it."""
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("author")
    run(["git", "init", "-q"], folder, home)
    dvc(folder, home, "init", "-q")
    generate(folder / "data")
    dvc(folder, home, "add", "-q", "data")
    return folder


@pytest.fixture
def author(pinned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pinned, tmp_path / "author"))


@pytest.fixture
def clone(author: Path) -> Path:
    """What a fresh clone has: the pin and the configuration; neither data nor cache."""
    shutil.rmtree(author / "data")
    shutil.rmtree(author / ".dvc" / "cache")
    shutil.rmtree(author / ".dvc" / "tmp")
    return author


def test_the_version_is_read_from_the_file_alone(author: Path, tmp_path: Path) -> None:
    lonely = Path(shutil.copy(author / "data.dvc", tmp_path / "data.dvc"))
    version = data_version(lonely)
    assert version.digest.endswith(".dir")
    assert (version.kind, version.files, version.size, version.path) == ("dvc", 4, 960, "data")
    assert str(version) == f"md5:{version.digest}"


def test_untouched_data_pass_even_with_new_times(author: Path) -> None:
    os.utime(author / "data" / "about.txt", (1, 1))
    assert verify_pinned(author / "data.dvc") == data_version(author / "data.dvc")


def test_a_copy_without_git_can_be_checked_too(author: Path) -> None:
    shutil.rmtree(author / ".git")
    assert verify_pinned(author / "data.dvc").files == 4


def test_each_changed_missing_and_extra_file_is_named(author: Path) -> None:
    verify_pinned(author / "data.dvc")  # nothing remembered from this may hide what follows
    generate(author / "data" / "more")
    changed = author / "data" / "cells" / "a" / "1.png"
    before = changed.stat()
    changed.chmod(0o644)
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    (author / "data" / "about.txt").unlink()
    with pytest.raises(GateRefused) as refusal:
        verify_pinned(author / "data.dvc")
    assert "1 changed: cells/a/1.png; 1 missing: about.txt; 4 extra: more/about.txt, more/cells/a/1.png" in str(
        refusal.value
    )


def test_a_fresh_clone_generates_caches_and_dvc_finds_nothing_to_say(clone: Path, tmp_path: Path) -> None:
    pin = (clone / "data.dvc").read_bytes()
    with pytest.raises(GateRefused, match="data: the pinned data are missing"):
        ensure_cached(clone / "data.dvc")
    generate(clone / "data")
    version = ensure_cached(clone / "data.dvc")
    assert "up to date" in dvc(clone, tmp_path, "status", "data.dvc")
    assert (clone / "data.dvc").read_bytes() == pin
    shutil.rmtree(clone / "data")
    dvc(clone, tmp_path, "checkout", "-q", "data.dvc")
    assert verify_pinned(clone / "data.dvc") == version


def test_caching_twice_writes_nothing_and_leaves_the_data_writable(clone: Path) -> None:
    generate(clone / "data")
    ensure_cached(clone / "data.dvc")
    cache = clone / ".dvc" / "cache"
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    ensure_cached(clone / "data.dvc")
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before
    assert (clone / "data" / "about.txt").stat().st_mode & 0o200
    assert (clone / "data" / "about.txt").stat().st_nlink == 1


def test_wrongly_generated_data_are_not_cached(clone: Path) -> None:
    generate(clone / "data")
    (clone / "data" / "about.txt").write_text("other")
    with pytest.raises(GateRefused, match=r"4 files, .* bytes instead of 4 files, 960 bytes"):
        ensure_cached(clone / "data.dvc")
    with pytest.raises(GateRefused, match=r"1 changed: about\.txt"):
        ensure_cached(clone / "data.dvc", regenerate=generate)
    assert not list((clone / ".dvc" / "cache").rglob("*.dir"))


def test_dvc_keeps_to_the_project(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    generate(clone / "data")
    ensure_cached(clone / "data.dvc")
    assert list(home.iterdir()) == []
    assert (clone / ".dvc" / "tmp" / "site").is_dir()


def test_a_single_file_can_be_pinned_too(author: Path, tmp_path: Path) -> None:
    (author / "cells.npz").write_bytes(b"cells")
    dvc(author, tmp_path, "add", "-q", "cells.npz")
    assert verify_pinned(author / "cells.npz.dvc").files == 1
    (author / "cells.npz").chmod(0o644)
    (author / "cells.npz").write_bytes(b"wells")
    with pytest.raises(GateRefused, match=r"cells\.npz: changed"):
        verify_pinned(author / "cells.npz.dvc")


@pytest.mark.parametrize("text", ["", "outs: 3", "outs: []", "outs:\n- {md5: a, path: b}", "{"])
def test_what_is_no_dvc_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.dvc").write_text(text)
    with pytest.raises(UsageError, match=r"data\.dvc: not a \.dvc file"):
        data_version(tmp_path / "data.dvc")


def test_a_missing_file_and_a_missing_repository_are_named(author: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        verify_pinned(tmp_path / "nowhere.dvc")
    lonely = Path(shutil.copy(author / "data.dvc", tmp_path / "data.dvc"))
    with pytest.raises(UsageError, match=r"no \.dvc folder"):
        verify_pinned(lonely)


def test_other_data_are_known_by_their_manifest() -> None:
    manifest = pd.DataFrame([["x"] * len(IDENTITY_COLUMNS)], columns=list(IDENTITY_COLUMNS))
    version = manifest_version(manifest, "some/folder")
    assert (version.kind, version.files, version.path, len(version.digest)) == ("manifest", 1, "some/folder", 64)
    assert str(version).startswith("sha256:")


def test_a_pin_moves_with_the_data_and_dvc_agrees(author: Path, tmp_path: Path) -> None:
    first = data_version(author / "data.dvc")
    (author / "data" / "about.txt").chmod(0o644)
    (author / "data" / "about.txt").write_text("more cells")
    before, now = move_pin(author / "data")
    assert before == first and now.digest != first.digest
    assert verify_pinned(author / "data.dvc") == now
    assert set(pinned_files(author / "data.dvc")) == {"about.txt", "cells/a/1.png", "cells/a/2.png", "cells/b/3.png"}
    assert "up to date" in dvc(author, tmp_path, "status", "data.dvc")
    assert move_pin(author / "data") == (now, now)


def test_what_is_not_pinned_yet_is_pinned_and_what_is_not_there_is_refused(author: Path, tmp_path: Path) -> None:
    generate(author / "others")
    before, now = move_pin(author / "others")
    assert before is None and now.files == 4
    with pytest.raises(UsageError, match="no such file or folder to pin"):
        move_pin(author / "nothing")
    generate(tmp_path / "outside" / "cells")
    with pytest.raises(UsageError, match=r"no \.dvc folder"):
        move_pin(tmp_path / "outside" / "cells")
