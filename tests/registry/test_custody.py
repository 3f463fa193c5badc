"""What an audit sees of a real registry and of the files that records name."""

import json
from pathlib import Path

import pytest

from hematovision.errors import HematoVisionError
from hematovision.home import Home
from hematovision.ledger.artifacts import file_digest, tree_digest
from hematovision.registry.custody import artifact_files, measure_artifact, registry_facts
from hematovision.registry.versions import client_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Home(tmp_path)


def test_asking_makes_no_registry(home: Home) -> None:
    facts = registry_facts(home)
    assert (facts.versions, facts.aliases) == ({}, {})
    assert list(home.root.iterdir()) == []


def test_a_registered_model_is_measured_where_it_lies(home: Home) -> None:
    logged = home.root / "logged"
    package = logged / "artifacts" / "package"
    package.mkdir(parents=True)
    (package / "model.onnx").write_bytes(b"weights")
    (package / "digests.json").write_text(json.dumps({"model.onnx": file_digest(package / "model.onnx")}))
    (logged / "MLmodel").write_text("flavors: {}\n")
    client = client_of(home)
    client.create_registered_model("cells")
    version = client.create_model_version("cells", logged.as_uri(), tags={"verdict": "passed"})
    client.set_registered_model_alias("cells", "champion", version.version)
    facts = registry_facts(home)
    assert (facts.versions, facts.aliases) == ({"cells/1": {"verdict": "passed"}}, {"cells": {"champion": "1"}})

    digest, whole = file_digest(package / "digests.json"), tree_digest(logged)
    assert measure_artifact(home, "models:/cells/1") == digest
    assert measure_artifact(home, "models:/cells/1#files") == whole
    assert {name: path.name for name, path in artifact_files(home, "models:/cells/1").items()} == {
        "digests.json": "digests.json",
        "model.onnx": "model.onnx",
    }
    (logged / "MLmodel").write_text("flavors: {evil: {}}\n")
    assert measure_artifact(home, "models:/cells/1#files") != whole
    (package / "model.onnx").write_bytes(b"other")
    with pytest.raises(HematoVisionError, match="replaced"):
        measure_artifact(home, "models:/cells/1")
    with pytest.raises(HematoVisionError, match="not in the registry"):
        measure_artifact(home, "models:/cells/9")


@pytest.mark.parametrize("uri", ["home:../secret", "home:/etc/passwd", "/etc/passwd", "file:///etc/passwd", "ftp:x"])
def test_nothing_outside_the_stores_is_read(home: Home, uri: str) -> None:
    with pytest.raises(HematoVisionError):
        measure_artifact(home, uri)
    with pytest.raises(HematoVisionError):
        artifact_files(home, uri)


def test_a_missing_file_has_no_digest(home: Home) -> None:
    assert measure_artifact(home, "home:golden/none.csv") is None
