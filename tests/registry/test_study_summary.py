"""The end of a search: a configuration that loads, a page that stands alone, runs in MLflow written once."""

import csv
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hematovision.config import RunConfig, load_config
from hematovision.errors import HematoVisionError
from hematovision.home import Home
from hematovision.learning.search import study as studies
from hematovision.learning.search.trials import FoldScore, TrialOutcome
from hematovision.registry.study_summary import StudySummary, conclude, study_name, track
from hematovision.registry.study_tracking import experiment_name

RATE, EPOCHS = "learning.training.frozen.learning_rate", "learning.training.frozen.epochs"
SPACE = {
    RATE: {"kind": "float", "low": 1e-4, "high": 1e-2, "log": True},
    EPOCHS: {"kind": "choice", "values": [10, 20, 30]},
}


def configuration(**search: Any) -> RunConfig:
    asked = {"trials": 6, "at_once": 6, "folds": 3, "study": "lab", "space": SPACE, **search}
    changes = {"data": "/cells", "learning": {"training": {"fine_tuning": {"epochs": 0}}}, "search": asked}
    return load_config(None, {**changes, "registry": {"model_name": "searched"}})


def outcome(number: int) -> TrialOutcome:
    """Trial 4 is the best, trial 1 given up, trial 2 failed."""
    if number == 2:
        return TrialOutcome(number=2, state="failed", folds=[], seconds=0.1, reason="training diverged")
    scored = 2 if number == 1 else 3
    f1 = 0.7 + number / 20 if number < 5 else 0.6
    folds = [FoldScore(fold=fold, macro_f1=f1 + fold / 100, log_loss=1 - f1, epochs=9) for fold in range(scored)]
    return TrialOutcome(number=number, state="pruned" if number == 1 else "complete", folds=folds, seconds=0.5)


def searched(home: Home, config: RunConfig) -> Any:
    home.studies.mkdir(parents=True, exist_ok=True)
    url = studies.storage_url(config.search, home.studies)
    study = studies.open_study(study_name(config), url, config.search, config.learning, {"data": "made up"})
    for request in studies.ask_round(study, config.search, seed=1):
        studies.tell(study, outcome(request.number), config.search)
    return study


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def study(home: Home) -> Any:
    return searched(home, configuration())


@pytest.fixture(scope="module")
def summary(home: Home, study: Any) -> StudySummary:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return conclude(home, study, configuration(), cells=400, synthetic=False)


def test_the_best_configuration_loads_and_is_the_base_with_the_parameters(study: Any, summary: StudySummary) -> None:
    best = load_config(Path(summary.best_config))
    assert best.learning.training.frozen.learning_rate == study.trials[4].params[RATE]
    assert best.learning.training.frozen.epochs == study.trials[4].params[EPOCHS]
    assert best.data == "/cells"
    assert best.learning.training.fine_tuning.epochs == 0
    assert best.search == load_config().search
    assert summary.next == f"hematovision run --config {summary.best_config}"


def test_the_summary_ranks_and_counts_and_calls_its_score_biased(summary: StudySummary) -> None:
    assert [trial.number for trial in summary.top] == [4, 3, 0, 5]
    assert summary.best == summary.top[0]
    assert summary.trials.model_dump() == {"complete": 4, "pruned": 1, "failed": 1, "grid": None}
    assert summary.best.selection_score.low < summary.best.selection_score.value == pytest.approx(0.91)
    assert summary.selection_score_is_biased
    assert "flattering" in Path(summary.best_config).read_text()


class _Addresses(HTMLParser):
    """Whatever a page would fetch; the text of scripts is no tag."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {value}" for name, value in attrs if name in ("src", "href")]


def test_the_page_stands_alone(summary: StudySummary) -> None:
    page = Path(summary.page).read_text()
    tags = _Addresses()
    tags.feed(page)
    assert tags.found == []
    assert page.count("plotly.js v") == 1
    assert page.count("Plotly.newPlot(") >= 3
    assert "golden" in page
    assert "Not a medical device" in page


def test_the_table_has_every_trial(summary: StudySummary) -> None:
    rows = list(csv.DictReader(Path(summary.table).read_text().splitlines()))
    assert [row["state"] for row in rows] == ["complete", "pruned", "fail", "complete", "complete", "complete"]
    assert rows[1]["macro_f1_2"] and not rows[1]["macro_f1_3"]
    assert rows[2]["reason"] == "training diverged"


def test_mlflow_has_a_nested_run_a_trial_and_writing_again_adds_none(
    home: Home, study: Any, summary: StudySummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert track(home, study, configuration()) == summary.mlflow_run
    client = MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name(experiment_name("searched")).experiment_id
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{summary.mlflow_run}'")
    assert sorted(run.data.tags["hematovision.trial"] for run in runs) == list("012345")
    best = next(run for run in runs if run.data.tags["hematovision.trial"] == "4")
    assert best.data.params[RATE] == str(study.trials[4].params[RATE])
    scores = [metric.value for metric in client.get_metric_history(best.info.run_id, "macro_f1")]
    assert scores == pytest.approx([0.9, 0.91, 0.92])
    logged = {item.path for item in client.list_artifacts(summary.mlflow_run)}
    assert {"best.yaml", "search.html", "trials.csv"} <= logged


def test_a_trial_half_written_to_mlflow_is_completed_not_doubled(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = configuration(study="cut-short")
    found = searched(home, config)
    with monkeypatch.context() as patch:
        patch.setattr("mlflow.MlflowClient.log_batch", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            track(home, found, config)
    parent = track(home, found, config)
    client = MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name(experiment_name("searched")).experiment_id
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert len(runs) == 6
    assert {run.info.status for run in runs} == {"FINISHED", "KILLED", "FAILED"}


def test_a_search_without_a_complete_trial_says_why(tmp_path: Path) -> None:
    home, config = Home(tmp_path), configuration(trials=1)
    home.studies.mkdir()
    url = studies.storage_url(config.search, home.studies)
    study = studies.open_study("lab", url, config.search, config.learning, {})
    studies.ask_round(study, config.search, seed=1)
    ended = TrialOutcome(number=0, state="failed", folds=[], seconds=0.1, reason="no such network")
    studies.tell(study, ended, config.search)
    with pytest.raises(HematoVisionError, match="no such network"):
        conclude(home, study, config, cells=1, synthetic=False)


def test_a_name_follows_from_what_decides_the_scores_only() -> None:
    unnamed = configuration(study=None)
    assert study_name(configuration()) == "lab"
    assert study_name(unnamed) == study_name(configuration(study=None, trials=90, at_once=2))
    assert study_name(unnamed) != study_name(configuration(study=None, folds=4))
    assert study_name(unnamed) != study_name(configuration(study=None, method="grid"))
