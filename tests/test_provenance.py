"""What software made a result: the record and the bill of materials."""

import hashlib
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from hematovision import bill_of_materials as bills
from hematovision.errors import HematoVisionError
from hematovision.home import PROJECT, Home
from hematovision.provenance import Provenance, lock_digest, provenance


def test_the_record_says_what_ran_here() -> None:
    record = provenance("a bill")
    assert record.lock_digest == hashlib.sha256((PROJECT / "requirements" / "lock.txt").read_bytes()).hexdigest()
    assert record.bill_of_materials == hashlib.sha256(b"a bill").hexdigest()
    assert record.libraries["mlflow"] == version("mlflow")
    assert record.hardware.cores >= 1 and record.hardware.memory
    assert Provenance.model_validate_json(record.model_dump_json()) == record


def _installation(folder: Path) -> Path:
    """A Python environment with a single package in it, beside the interpreter's own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    metadata = packages / "onecell-1.2.3.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: onecell\nVersion: 1.2.3\nLicense: MIT\n")
    return folder / "bin" / "python"


def test_a_bill_lists_what_is_installed_and_is_valid(tmp_path: Path) -> None:
    from cyclonedx.model.bom import Bom

    target = tmp_path / "bill.json"
    bills.write_bill(target, _installation(tmp_path / "environment"))
    content = json.loads(target.read_text())
    assert (content["bomFormat"], content["specVersion"]) == ("CycloneDX", "1.6")
    assert [(one["name"], one["version"]) for one in content["components"]] == [("onecell", "1.2.3")]
    assert len(Bom.from_json(content).components) == 1  # type: ignore[attr-defined]


def test_a_bill_is_made_once_for_an_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def write(target: Path, _: Path) -> None:
        made.append(target)
        target.write_text(f"bill {len(made)}")

    monkeypatch.setattr(bills, "write_bill", write)
    home = Home(tmp_path)
    assert bills.bill_of_materials(home) == bills.bill_of_materials(home) == "bill 1"
    monkeypatch.setattr(bills, "lock_digest", lambda: "another lock")
    assert bills.bill_of_materials(home) == "bill 2"
    assert lock_digest() != "another lock"


def test_a_bill_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(HematoVisionError, match="could not be made"):
        bills.write_bill(tmp_path / "bill.json", tmp_path / "no-python")
