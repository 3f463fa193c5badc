"""The archive: the same bytes every time, verified far away, and no alteration of it goes unseen."""

import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import Home
from hematovision.ledger import Ledger, proof, sign, statement
from hematovision.ledger.artifacts import inside, measure, package_files
from hematovision.ledger.export import export_ledger

MODEL = "model:hematovision/1"


@pytest.fixture
def archive(home: Home, ledger: Ledger, person: Callable[..., object], tmp_path: Path) -> Path:
    folder = home.root / "package"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"weights")
    (folder / "digests.json").write_text(json.dumps({"model.onnx": measure(folder / "model.onnx")}))
    (home.root / "golden.csv").write_text("path\n")
    artifacts = {
        "package": {"sha256": measure(folder), "uri": "home:package"},
        "golden": {"sha256": measure(home.root / "golden.csv"), "uri": "home:golden.csv"},
        "gone": {"sha256": "a" * 64, "uri": "home:gone"},
    }
    ledger.append("registration", MODEL, {"artifacts": artifacts, "µ": "κ\n\u2028"})
    ada = person("Ada")
    content = {"action": "approve", "nonce": "1"}
    ledger.append("decision", MODEL, content, actor="Ada", signature=sign(ada, statement("decision", MODEL, content)))  # type: ignore[arg-type]
    return exported(home, ledger, tmp_path / "export.zip")


def exported(home: Home, ledger: Ledger, target: Path) -> Path:
    def files_of(uri: str) -> dict[str, Path]:
        place = inside(home.root, uri.removeprefix("home:"))
        if not place.exists():
            raise HematoVisionError("missing")
        return package_files(place) if place.is_dir() else {"": place}

    told = export_ledger(ledger, target, files_of=files_of)
    assert (told.included, told.left_out, told.findings) == (2, ["home:gone"], 0)
    return target


def judged(*archives: Path) -> "subprocess.CompletedProcess[str]":
    """The script as it lies in the archive, alone with the standard library and `cryptography`."""
    script = archives[0].parent / "verify.py"
    with zipfile.ZipFile(archives[0]) as archive:
        script.write_bytes(archive.read("verify.py"))
    command = [sys.executable, "-I", str(script), *map(str, archives)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/")


def test_the_script_alone_verifies_an_export(archive: Path) -> None:
    done = judged(archive)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("4 records, the last is 4")
    assert "valid  Ada (pathologist)" in done.stdout and done.stdout.endswith("Everything holds.\n")


def test_the_script_needs_nothing_of_hematovision(archive: Path) -> None:
    import ast

    with zipfile.ZipFile(archive) as files:
        tree = ast.parse(files.read("verify.py"))
    named = {
        (node.module if isinstance(node, ast.ImportFrom) else name.name).split(".")[0]  # type: ignore[union-attr]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert named - set(sys.stdlib_module_names) == {"cryptography"}


def test_the_same_ledger_gives_the_same_bytes(home: Home, ledger: Ledger, archive: Path, tmp_path: Path) -> None:
    assert exported(home, ledger, tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_an_earlier_export_is_the_beginning_of_a_later_one(
    home: Home, ledger: Ledger, archive: Path, tmp_path: Path
) -> None:
    ledger.append("training", MODEL, {})
    later = exported(home, ledger, tmp_path / "later.zip")
    assert judged(later, archive).returncode == 0
    backwards = judged(archive, later)
    assert backwards.returncode == 3
    assert "record 5 is missing now" in backwards.stdout


def test_nothing_is_no_export(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="empty"):
        export_ledger(ledger, tmp_path / "x.zip")
    ledger.append("training", MODEL, {})
    with pytest.raises(UsageError, match="cannot be written"):
        export_ledger(ledger, tmp_path / "no" / "folder" / "x.zip")


@pytest.mark.parametrize("wrong", [b"", b"PK", b"not a zip"])
def test_what_is_no_archive_is_said_so(archive: Path, wrong: bytes, tmp_path: Path) -> None:
    (tmp_path / "wrong.zip").write_bytes(wrong)
    assert proof.main([str(tmp_path / "wrong.zip")]) == 3
    assert proof.main([str(tmp_path / "missing.zip")]) == 3
    assert proof.main([]) == 2


def rewritten(archive: Path, changed: dict[str, bytes]) -> None:
    files = proof.read_archive(archive) | changed
    with zipfile.ZipFile(archive, "w") as target:
        for name, data in files.items():
            target.writestr(name, data)


def test_every_alteration_of_an_export_is_found(archive: Path) -> None:
    """Bits, lines dropped, moved and repeated, in whatever the verdict rests on."""
    original, unseen = archive.read_bytes(), []
    files = proof.read_archive(archive)
    watched = ["records.jsonl", "export.json", *(name for name in files if name.startswith("artifacts/"))]
    for seed in range(300):
        draw = random.Random(seed)
        name = draw.choice(watched)
        data = bytearray(files[name])
        lines = bytes(data).splitlines(keepends=True)
        if name == "records.jsonl" and draw.random() < 0.5:
            line = lines.pop(draw.randrange(len(lines)))
            if draw.random() < 0.5:
                lines.insert(draw.randrange(len(lines) + 1), line)
            data = bytearray(b"".join(lines))
        else:
            at = draw.randrange(len(data))
            data[at] ^= 1 << draw.randrange(8)
        if bytes(data) == files[name]:
            continue
        rewritten(archive, {name: bytes(data)})
        if proof.main([str(archive)]) == 0:
            unseen.append((seed, name))
        archive.write_bytes(original)
    assert unseen == []
