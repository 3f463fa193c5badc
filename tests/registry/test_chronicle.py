"""What steps leave in the ledger: one record however often a step is tried, with the digests an audit checks."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hematovision.data.golden import GoldenSet
from hematovision.data.validation import FailedExpectation, ValidationResult
from hematovision.data.versioning import DataVersion
from hematovision.evaluation.metrics import Evaluation, evaluate
from hematovision.evaluation.prediction_sets import SetRule
from hematovision.home import Home
from hematovision.ledger import open_ledger
from hematovision.ledger.artifacts import file_digest
from hematovision.ledger.verification import verify_ledger
from hematovision.monitoring.strangeness import FamiliarLimit
from hematovision.registry.chronicle import record_evaluation, record_training, record_validation
from hematovision.registry.custody import measure_artifact
from hematovision.registry.package import DIGESTS, FILES, SPECIFICATION, ModelSpecification, package_digest


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def golden(home: Home) -> GoldenSet:
    folder = home.golden / "one"
    folder.mkdir(parents=True)
    (folder / "golden.csv").write_text("path\na.png\n")
    return GoldenSet(folder, file_digest(folder / "golden.csv"), "md5:1", {}, pd.DataFrame({"path": ["a.png"]}))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    specification = ModelSpecification(
        classes=["a", "b"], image_size=64, orientations=1, mean=(0.5, 0.5, 0.5), deviation=(0.2, 0.2, 0.2),
        temperature=1.0, sets=SetRule(confidence=0.9, limits=[0.8, 0.3], cells=[40, 40]),
        familiar=FamiliarLimit(distance=2.5, false_flag_rate=0.01, cells=300), max_pixels=100, min_side=8,
        backbone="mobilenet_v2", frozen_blocks=4, weights="none", data_version="md5:1", manifest_digest="m",
        golden_digest="g", seed=1, synthetic=True, software={"torch": "2"},
    )  # fmt: skip
    for name in FILES:
        (folder / name).write_bytes(name.encode())
    (folder / SPECIFICATION).write_text(specification.model_dump_json())
    (folder / DIGESTS).write_text(json.dumps({name: file_digest(folder / name) for name in (*FILES, SPECIFICATION)}))
    return folder


def test_a_validation_is_recorded_once_with_what_failed(home: Home) -> None:
    failed = FailedExpectation(
        expectation="side", column="width", severity="warning", message="m", rows=["patient/7.png"], count=3
    )
    result = ValidationResult(success=True, failed=[failed], statistics={"evaluated": 9}, docs_path="d", docs_html="h")
    version = DataVersion(kind="dvc", digest="ab.dir", files=1, size=1, path="data")
    told = [record_validation(home, None, result, version, suite="cells", run="r") for _ in range(2)]
    assert told[0] == told[1]
    assert (told[0].kind, told[0].subject) == ("validation", "data:md5:ab.dir")
    assert told[0].content["failed"] == [{"expectation": "side", "column": "width", "severity": "warning", "count": 3}]
    assert "patient" not in json.dumps(told[0].content)
    record_validation(home, None, result, version, suite="splits", run="r")
    record_validation(home, None, result, version, suite="cells", run="another")
    assert len(list(open_ledger(home, None).records(kind="validation"))) == 3


def scores(cells: int) -> Evaluation:
    probabilities, truth = np.array([[0.9, 0.1], [0.2, 0.8]] * (cells // 2)), np.array([0, 1] * (cells // 2))
    return evaluate(["a", "b"], truth, probabilities, groups=None, confidence=0.95, resamples=100, ece_bins=5, seed=1)


def test_a_training_and_its_evaluation_name_model_and_golden_set(home: Home, golden: GoldenSet, package: Path) -> None:
    evaluation = scores(8)
    for _ in range(2):
        trained = record_training(home, None, package, golden, run="r", cells=8, continues="small/1")
        scored = record_evaluation(home, None, evaluation, package, run="r", golden=golden)
    digest = package_digest(package)
    assert trained.subject == scored.subject == f"model-digest:{digest}"
    assert trained.actor.startswith("user:")
    assert (trained.content["data_version"], trained.content["continues"]) == ("md5:1", "small/1")
    assert scored.content["accuracy"]["value"] == 1 and scored.content["on"] == "golden set"
    ledger = open_ledger(home, None)
    assert ledger.head() == scored and scored.number == 3
    verified = verify_ledger(ledger, measure=partial(measure_artifact, home))
    assert (verified.findings, verified.artifacts) == ([], 1)
    (golden.folder / "golden.csv").write_text("path\nb.png\n")
    findings = verify_ledger(ledger, measure=partial(measure_artifact, home)).findings
    assert [finding.number for finding in findings] == [2, 3]


def test_a_model_scored_elsewhere_names_no_golden_set(home: Home, package: Path) -> None:
    evaluation = scores(8)
    record = record_evaluation(home, None, evaluation, package, run="r")
    assert record.content["on"] == "cells from elsewhere" and "artifacts" not in record.content
