"""From cells to a registered challenger, by the command a user types, on the real stack."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hematovision.home import locate_home
from hematovision.registry.versions import find_version
from tests.e2e.conftest import Command

pytestmark = pytest.mark.slow

FROM_THE_REGISTRY = """
import json, sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
images = [open(path, "rb").read() for path in sys.argv[3:]]
print("ANSWER" + model.predict(pd.DataFrame({"image": images})).to_json(orient="records"))
"""


def test_the_summary_tells_what_the_interface_promises(trained: dict[str, Any], cells: Path) -> None:
    assert trained["schema"] == 1
    assert trained["data"]["source"] == str(cells)
    assert trained["data"]["n"] == 192
    assert len(trained["data"]["classes"]) == 8
    assert trained["golden"]["n"] + trained["cross_validation"]["n"] == 192
    assert trained["cross_validation"]["folds"] == 2
    for figure in (
        trained["golden"]["accuracy"],
        trained["golden"]["macro_f1"],
        trained["cross_validation"]["accuracy"],
    ):
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    assert trained["golden"]["accuracy"]["value"] > 0.4, "eight classes by chance give 0.125"
    assert trained["seconds"] > 0


def test_the_version_is_registered_with_its_evidence(trained: dict[str, Any]) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(locate_home().tracking_uri)
    version = client.get_model_version_by_alias("small", "challenger")
    assert str(version.version) == trained["model"]["version"]
    assert {"data_version", "git_commit", "zenml_run", "golden_digest", "model_digest"} <= set(version.tags)
    assert version.tags["data_version"] == trained["data"]["version"]
    run = client.get_run(trained["model"]["run_id"])
    assert run.data.params["learning.backbone.name"] == "mobilenet_v2"
    assert run.data.metrics["golden_accuracy"] == trained["golden"]["accuracy"]["value"]
    assert len(client.get_metric_history(run.info.run_id, "validation_loss")) >= 3
    assert {"report.html", "evaluation", "data"} <= {item.path for item in client.list_artifacts(run.info.run_id)}


def test_the_version_is_judged_and_a_failed_verdict_does_not_fail_the_run(trained: dict[str, Any]) -> None:
    from mlflow import MlflowClient

    from hematovision.promotion.verdict import read_verdict

    told, version = trained["verdict"], trained["model"]["version"]
    verdict = read_verdict(locate_home(), "small", version)
    assert verdict and verdict.digest == told["digest"] and verdict.failed == told["failed"]
    assert told["passed"] == (not told["failed"]) and told["gates"] == len(verdict.gates)
    evidence = {gate.name: gate.passed for gate in verdict.gates if gate.about == "evidence"}
    assert evidence["data_validated"] and evidence["golden_untouched"]
    assert verdict.golden_cells == trained["golden"]["n"]
    (accuracy,) = [gate for gate in verdict.gates if gate.name == "floor.accuracy"]
    assert accuracy.figure == trained["golden"]["accuracy"]["value"]
    tags = MlflowClient(locate_home().tracking_uri).get_model_version("small", version).tags
    assert tags["verdict"] == ("passed" if told["passed"] else "failed")
    assert tags["requester"].startswith("user:")
    assert "Not a medical device" in Path(told["page"]).read_text()


def test_no_pickle_is_anywhere_in_the_model(trained: dict[str, Any]) -> None:
    from hematovision.registry.mlflow_registry import fetch_model

    folder = fetch_model(locate_home(), trained["model"]["uri"])
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".pth", ".joblib"))]
    assert {"model.onnx", "model.safetensors", "spec.json", "input_example.json", "MLmodel"} <= names


def test_another_process_gets_the_same_probabilities(
    trained: dict[str, Any], cells: Path, hematovision: Command, tmp_path: Path
) -> None:
    images = sorted(map(str, (cells / "images").rglob("*.bmp")))[::20]
    told = hematovision("predict", "--model", trained["model"]["uri"], *images)
    assert told.code == 0, told.errors
    script = [sys.executable, "-c", FROM_THE_REGISTRY, locate_home().tracking_uri, trained["model"]["uri"], *images]
    done = subprocess.run(script, capture_output=True, text=True, env=os.environ, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout[done.stdout.index("ANSWER") + len("ANSWER") :])
    for row, prediction in zip(rows, told.document["predictions"], strict=True):
        assert row["label"] == prediction["label"]
        expected = list(prediction["probabilities"].values())
        np.testing.assert_allclose([row[label] for label in prediction["probabilities"]], expected, atol=1e-9)
        assert sum(expected) == pytest.approx(1)
        assert json.loads(row["set"]) == prediction["set"]
        assert row["strangeness"] == pytest.approx(prediction["strangeness"], rel=1e-4)
        assert row["unlike_training"] == str(prediction["unlike_training"]).lower()
        assert prediction["label"] == prediction["set"][0]


def test_strange_pictures_are_flagged_and_cells_of_new_slides_are_not(
    trained: dict[str, Any], hematovision: Command, tmp_path: Path
) -> None:
    import cv2

    rng, folder = np.random.default_rng(1), tmp_path / "strange"
    folder.mkdir()
    page = np.full((128, 128, 3), 255, dtype=np.uint8)
    cv2.putText(page, "Not a cell", (5, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1)
    strange = {"noise": rng.integers(0, 256, page.shape, dtype=np.uint8), "flat": np.full_like(page, 90), "text": page}
    for name, image in strange.items():
        cv2.imwrite(str(folder / f"{name}.png"), image)
    told = hematovision("predict", "--model", trained["model"]["uri"], folder)
    assert [row["unlike_training"] for row in told.document["predictions"]] == [True] * 3, told.document
    assert hematovision("data", "generate", tmp_path / "new", "--seed", "41", "--slides", "12").code == 0
    new = hematovision("predict", "--model", trained["model"]["uri"], tmp_path / "new" / "images")
    flagged = [row["unlike_training"] for row in new.document["predictions"]]
    assert len(flagged) == 96 and np.mean(flagged) <= 0.1


def test_an_unchanged_run_is_cached_and_registers_nothing_new(
    trained: dict[str, Any], hematovision: Command, cells: Path
) -> None:
    again = hematovision("run", "--data", cells)
    assert again.code == 0, again.errors
    assert again.document["model"] == trained["model"]
    assert again.document["golden"] == trained["golden"]
    assert again.document["verdict"] == trained["verdict"], "a verdict that stands is not made anew"
    assert "train_fold" not in again.errors


def test_the_report_stands_alone_and_says_what_the_data_are(trained: dict[str, Any]) -> None:
    page = Path(trained["report"]).read_text()
    assert "Not a medical device" in page
    assert 'src="http' not in page
    assert "<svg" in page
    assert "How far the probabilities can be trusted" in page


def test_slices_and_robustness_are_kept_with_the_model(trained: dict[str, Any]) -> None:
    from mlflow import MlflowClient
    from mlflow.artifacts import load_dict

    run = MlflowClient(locate_home().tracking_uri).get_run(trained["model"]["run_id"]).info
    slices = load_dict(f"{run.artifact_uri}/evaluation/slices.json")
    assert slices["golden"]["n"] == trained["golden"]["n"]
    assert slices["folds"]["n"] == trained["cross_validation"]["n"]
    assert {"brightness", "contrast", "sharpness"} <= {part["kind"] for part in slices["folds"]["slices"]}
    robustness = load_dict(f"{run.artifact_uri}/evaluation/robustness.json")
    assert robustness["n"] == 8
    assert robustness["mean_drop"]["low"] <= robustness["mean_drop"]["value"]


def test_a_model_shows_where_it_looks(
    trained: dict[str, Any], hematovision: Command, cells: Path, tmp_path: Path
) -> None:
    image = next((cells / "images").rglob("*.bmp"))
    (tmp_path / "broken.png").write_bytes(b"nothing")
    asked = ("--model", trained["model"]["uri"], image, tmp_path / "broken.png", "--output", tmp_path / "maps")
    ended = hematovision("explain", *asked)
    assert ended.code == 0, ended.errors
    assert [Path(item["file"]).parent for item in ended.document["files"]] == [tmp_path / "maps"]
    assert Path(ended.document["files"][0]["file"]).read_bytes().startswith(b"\x89PNG")
    assert [Path(item["path"]).name for item in ended.document["errors"]] == ["broken.png"]
    told = hematovision("predict", "--model", trained["model"]["uri"], image).document["predictions"][0]
    assert ended.document["files"][0]["predicted"] == told["label"]
    assert ended.document["files"][0]["probability"] == pytest.approx(told["probabilities"][told["label"]], abs=1e-3)
    refused = hematovision("explain", *asked, "--class", "unicorn")
    assert refused.code == 2
    assert "'unicorn' is no class of the model" in refused.errors


def test_a_model_is_put_through_spoilt_pictures(trained: dict[str, Any], hematovision: Command, tmp_path: Path) -> None:
    assert hematovision("data", "generate", tmp_path / "new", "--seed", "41", "--slides", "2").code == 0
    asked = ("robustness", "--model", trained["model"]["uri"], "--data", tmp_path / "new")
    ended = hematovision(*asked, "--severities", "1,5")
    assert ended.code == 0, ended.errors
    assert ended.document["n"] == 16
    assert {score["severity"] for score in ended.document["scores"]} == {1, 5}
    assert Path(ended.document["plot"]).read_text().startswith("<svg")
    assert hematovision(*asked, "--severities", "often").code == 2


def test_evaluation_on_another_scanner_is_scored_by_class(
    trained: dict[str, Any], hematovision: Command, tmp_path: Path
) -> None:
    assert hematovision("data", "generate", tmp_path / "b", "--scanner", "B", "--seed", "99", "--slides", "6").code == 0
    ended = hematovision("evaluate", "--model", trained["model"]["uri"], "--data", tmp_path / "b")
    assert ended.code == 0, ended.errors
    assert ended.document["n"] == 48
    assert set(ended.document["per_class"]) == set(trained["data"]["classes"])
    assert ended.document["without_counterpart"] == {}
    assert ended.document["trust"]["sets"]["n"] == 48
    assert 1 <= ended.document["trust"]["sets"]["mean_size"]["value"] <= 8
    assert ended.document["trust"]["strangeness"]["flagged"]["value"] > 0.5, "another scanner is strange"
    assert ended.document["slices"]["n"] == 48


def test_monitoring_tells_held_out_cells_from_another_scanner(
    trained: dict[str, Any], cells: Path, hematovision: Command, tmp_path: Path
) -> None:
    manifest = find_version(locate_home(), trained["model"]["uri"]).manifest()
    assert manifest is not None
    (tmp_path / "same").mkdir()
    for number, path in enumerate(manifest.loc[manifest["split"] == "golden", "path"]):
        shutil.copyfile(cells / path, tmp_path / "same" / f"{number:03}{Path(path).suffix}")
    drawn = ("--seed", "77", "--scanner", "C", "--slides", "8")
    assert hematovision("data", "generate", tmp_path / "other", *drawn).code == 0
    same = hematovision("monitor", "--model", trained["model"]["uri"], "--data", tmp_path / "same")
    other = hematovision("monitor", "--model", trained["model"]["uri"], "--data", tmp_path / "other")
    assert same.code == other.code == 0, same.errors + other.errors
    assert other.document["drift"] is True
    assert not [signal for signal in same.document["signals"] if signal["alarm"]]
    assert same.document["drift"] is False
    assert any(signal["alarm"] for signal in other.document["signals"])
    assert (same.document["state"], same.document["changed"]) == ("cleared", False)
    assert (other.document["state"], other.document["changed"]) == ("raised", True)
    assert {"set_size", "strangeness"} <= {signal["name"] for signal in other.document["signals"]}
    shown = hematovision("drift", "show", other.document["check"]).document["check"]
    assert shown["signals"] == other.document["signals"] and shown["model"] == other.document["version"]
    assert Path(other.document["report"]).is_file()
    assert json.loads(Path(other.document["evidently"]["json"]).read_text())
    assert "root_metric" in Path(other.document["evidently"]["html"]).read_text()


def test_an_altered_model_is_not_loaded(
    trained: dict[str, Any], hematovision: Command, cells: Path, tmp_path: Path
) -> None:
    import shutil

    from hematovision.registry.mlflow_registry import fetch_model

    copy = tmp_path / "model"
    shutil.copytree(fetch_model(locate_home(), trained["model"]["uri"]), copy)
    image = next((cells / "images").rglob("*.bmp"))
    assert hematovision("predict", "--model", copy, image).code == 0
    network = copy / "artifacts" / "package" / "model.onnx"
    content = bytearray(network.read_bytes())
    content[len(content) // 2] ^= 1
    network.write_bytes(bytes(content))
    ended = hematovision("predict", "--model", copy, image)
    assert ended.code == 1
    assert "model.onnx is not the file that was registered" in ended.errors
    assert "Traceback" not in ended.errors
