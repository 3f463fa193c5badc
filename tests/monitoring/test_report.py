"""The report's files as a person and a program find them, written by the real Evidently."""

import json
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hematovision.monitoring.drift import DriftVerdict, detect_drift
from hematovision.monitoring.evidently_report import add_to_workspace
from hematovision.monitoring.reference import Reference, build_reference
from hematovision.monitoring.report import DriftReport, Picture, write_report
from hematovision.monitoring.settings import DriftSettings

SETTINGS = DriftSettings(
    false_alarm_rate=0.05,
    resamples=300,
    maximum_reference=1000,
    minimum_reference=20,
    maximum_window=60,
    low_power_below=8,
    few_groups_below=10,
    shown_components=2,
    whitened_components=8,
    class_mix_concentration=100,
    minimum_baseline=100,
    window=200,
    on_alarm_seconds=30,
)


def cells(n: int, seed: int, *, darker: float = 0) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"brightness": rng.normal(180 - darker, 8, n), "sharpness": rng.gamma(9, 20, n)})
    probabilities = rng.dirichlet([1, 1, 1], size=n).astype(np.float32)
    return rng.normal(size=(n, 16)).astype(np.float32), table, probabilities


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reference, DriftVerdict, DriftReport]:
    reference = build_reference(*cells(120, 1), ["eosinophil", "<b>odd</b>", "platelet"], settings=SETTINGS, seed=0)
    window = cells(80, 2, darker=15)
    verdict = detect_drift(reference, *window, settings=SETTINGS, seed=0)
    buffer = BytesIO()
    Image.new("RGB", (8, 8), (200, 40, 90)).save(buffer, "PNG")
    report = write_report(
        reference,
        reference.observe(*window),
        verdict,
        tmp_path_factory.mktemp("drift") / "report",
        model="cells, version 3",
        source="folder <of> cells",
        unusual=[Picture("a&b.png", buffer.getvalue())],
    )
    return reference, verdict, report


def test_the_page_shows_the_verdict_and_every_signal(written: tuple[Reference, DriftVerdict, DriftReport]) -> None:
    _, verdict, report = written
    page = report.page.read_text(encoding="utf-8")
    assert verdict.drift
    assert '<strong class="word">Drift</strong>' in page
    assert "not a medical device" in page
    assert "random sample of 60 of the 80" in page
    for signal in verdict.signals:
        row = re.search(rf"<tr[^>]*>\s*<td>{signal.name.replace('_', ' ')}<.*?</tr>", page, re.DOTALL)
        assert row
        assert f"{signal.value:.3g}" in row[0]
        assert f"{signal.threshold:.3g}" in row[0]
        assert (">alarm<" in row[0]) == signal.alarm


def test_the_page_is_self_contained_and_escapes_names(written: tuple[Reference, DriftVerdict, DriftReport]) -> None:
    page = written[2].page.read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)
    assert "<script" not in page
    assert "folder &lt;of&gt; cells" in page
    assert "<b>odd</b>" not in page
    assert 'src="data:image/png;base64,' in page
    assert 'alt="a&amp;b.png"' in page
    assert f'href="{written[2].evidently_page.name}"' in page


def test_evidently_agrees_with_the_verdict(written: tuple[Reference, DriftVerdict, DriftReport]) -> None:
    reference, verdict, report = written
    record = json.loads(report.evidently_record.read_text(encoding="utf-8"))
    drifts = {m["config"]["column"]: m for m in record["metrics"] if m["metric_name"].startswith("ValueDrift")}
    signals = {signal.name: signal for signal in verdict.signals}
    assert set(drifts) == set(reference.observations.columns)
    for column, metric in drifts.items():
        assert metric["value"] == pytest.approx(signals[column].value, abs=1e-6)
        assert metric["config"]["threshold"] == pytest.approx(signals[column].threshold)
    failed = [test["name"] for test in record["tests"] if test["status"] == "FAIL" and "Value Drift" in test["name"]]
    assert {name.rsplit(" ", 1)[1] for name in failed} == {name for name in drifts if signals[name].alarm}
    whole = {m["config"]["signal"]: m["value"] for m in record["metrics"] if "signal" in m["config"]}
    assert whole["embedding: maximum mean discrepancy"] == pytest.approx(signals["embedding"].value)
    assert whole["HematoVision verdict (not a medical device)"] == sum(signal.alarm for signal in verdict.signals)


def test_evidentlys_page_opens_with_the_verdict(written: tuple[Reference, DriftVerdict, DriftReport]) -> None:
    _, verdict, report = written
    page = report.evidently_page.read_text(encoding="utf-8")
    alarms = sum(signal.alarm for signal in verdict.signals)
    assert f"Drift: {alarms} of {len(verdict.signals)} signals in alarm (80 images)" in page


def test_the_verdict_is_on_record(written: tuple[Reference, DriftVerdict, DriftReport]) -> None:
    _, verdict, report = written
    assert DriftVerdict.model_validate_json(report.verdict.read_text(encoding="utf-8")) == verdict


def test_a_workspace_is_given_runs_that_its_interface_can_load(
    written: tuple[Reference, DriftVerdict, DriftReport], tmp_path: Path
) -> None:
    """In another process, as `evidently ui` is: it knows nothing of ours."""
    reference, verdict, _ = written
    current = reference.observe(*cells(80, 2, darker=15)).iloc[verdict.judged].reset_index(drop=True)
    for _ in range(2):
        add_to_workspace(tmp_path / "workspace", "hematovision, north", reference.observations, current, verdict)
    program = """
import json, sys
from evidently.ui.workspace import Workspace
(project,) = Workspace(sys.argv[1]).list_projects()
runs = [Workspace(sys.argv[1]).get_run(project.id, one) for one in Workspace(sys.argv[1]).list_runs(project.id)]
print(json.dumps([project.name, [run.name for run in runs], [len(run.metric_results) for run in runs]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "workspace")], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    name, runs, results = json.loads(done.stdout)
    assert name == "hematovision, north" and runs == ["drift in 80 images"] * 2
    assert all(count >= len(reference.observations.columns) for count in results)
