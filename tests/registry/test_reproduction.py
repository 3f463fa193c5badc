"""How far a model made again is from its record, file by file and figure by figure."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hematovision.errors import UsageError
from hematovision.provenance import git_commit, machine, software_versions
from hematovision.registry import reproduction
from hematovision.registry.package import DIGESTS


def facts(**changes: Any) -> Any:
    """What a record says of code, libraries and machine; as they are now, but for the changes."""
    commit, _, dirty = git_commit().partition("+")
    now = {"commit": commit, "dirty": bool(dirty), "software": software_versions(), "machine": machine(), **changes}
    provenance = SimpleNamespace(git_commit=now["commit"], dirty=now["dirty"])
    return SimpleNamespace(
        drawn=SimpleNamespace(content=SimpleNamespace(provenance=provenance)),
        specification=SimpleNamespace(software=now["software"]),
        machine=now["machine"],
    )


def warnings(**changes: Any) -> list[str]:
    return reproduction._warnings(facts(**changes))


def test_what_is_not_as_it_was_is_said() -> None:
    assert any(text.startswith("code:") and text.endswith("f00 then") for text in warnings(dirty=False, commit="f00"))
    assert any("in no commit" in text for text in warnings(dirty=True))
    old = {**software_versions(), "torch": "1.0", "gone": "3"}
    (moved,) = [text for text in warnings(software=old) if text.startswith("libraries")]
    assert "torch" in moved and "(1.0 then)" in moved and "gone None (3 then)" in moved
    assert any(text.startswith("machine:") for text in warnings(machine={**machine(), "cores": "999"}))
    assert not [text for text in warnings() if text.startswith(("libraries", "machine"))]


def test_files_that_differ_are_named(tmp_path: Path) -> None:
    for name, digests in (("then", {"a": "1", "b": "2", "c": "3"}), ("now", {"a": "1", "b": "9", "d": "4"})):
        (tmp_path / name).mkdir()
        (tmp_path / name / DIGESTS).write_text(json.dumps(digests))
    assert reproduction._different(tmp_path / "then", tmp_path / "now") == ["b", "c", "d"]


def test_a_retrain_is_not_passed_off_as_a_training() -> None:
    version = SimpleNamespace(name="small", version="2")
    reproduction._refuse_retrain(version, {"data": "synthetic"})
    reproduction._refuse_retrain(version, {"data": "/data/retrain-cells/x"})
    with pytest.raises(UsageError, match="went on from a champion"):
        reproduction._refuse_retrain(version, {"data": "/home/.hematovision/runs/retrain-ab12/cells"})


def test_the_stores_of_this_process_are_not_those_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ZENML_STORE_URL", "ZENML_CONFIG_PATH", "MLFLOW_TRACKING_URI", "HEMATOVISION_HOME"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("TORCH_HOME", "weights")
    with reproduction._environment(tmp_path) as environment:
        assert "elsewhere" not in environment.values()
        assert environment["HEMATOVISION_HOME"] == str(tmp_path) and environment["TORCH_HOME"] == "weights"
