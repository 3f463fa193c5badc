"""A search: within bounds, on inner folds alone, resumed without loss, given up when hopeless."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from optuna.trial import TrialState

from hematovision.config import load_config, read_layer
from hematovision.data.golden import GoldenSet
from hematovision.data.splits import deal_folds
from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused, HematoVisionError, UsageError
from hematovision.home import CONFIGS, PROJECT
from hematovision.learning import folds
from hematovision.learning.backbones import load_backbone
from hematovision.learning.features import FeatureCache
from hematovision.learning.folds import FeatureSet
from hematovision.learning.search import study as studies
from hematovision.learning.search.bench import Bench, inner_folds
from hematovision.learning.search.pruning import hopeless
from hematovision.learning.search.settings import PruningSettings, SearchSettings
from hematovision.learning.search.space import check_space, configured, grid
from hematovision.learning.search.trials import FoldScore, TrialOutcome, score_interval
from hematovision.learning.training import predict_logits, train
from tests.learning import search_cells as made_up

MEDIAN = PruningSettings(kind="median", startup_trials=3, after_folds=2, p_threshold=0.2)
NOWHERE = FeatureSet(folder="", side=1, views=1)
PEERS = [[0.90, 0.91, 0.92, 0.90], [0.92, 0.93, 0.91, 0.92], [0.91, 0.90, 0.93, 0.91]]


@pytest.fixture(scope="module")
def search() -> SearchSettings:
    return made_up.settings()[0]


@pytest.fixture(scope="module")
def bench(search: SearchSettings, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return made_up.bench(tmp_path_factory.mktemp("features"), search)


def outcome(number: int, macro_f1: list[float], log_loss: float = 0.5, state: str = "complete") -> TrialOutcome:
    scores = [FoldScore(fold=i, macro_f1=value, log_loss=log_loss, epochs=3) for i, value in enumerate(macro_f1)]
    return TrialOutcome(number=number, state=state, folds=scores, seconds=1.0, reason="")


def url(folder: Path, name: str = "studies") -> str:
    return f"sqlite:///{folder / name}.db"


def figures(study: Any) -> list[tuple[int, dict[str, object], float | None, str]]:
    return [(trial.number, trial.params, trial.value, trial.state.name) for trial in study.trials]


@pytest.mark.parametrize("path", sorted((CONFIGS / "search").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_space_that_comes_along_is_usable(path: Path) -> None:
    config = load_config(path)
    check_space(config.search.space, config.learning)
    if config.search.method == "grid":
        assert studies.grid_size(config.search) == {"head_grid": 48, "logistic": 18}[path.stem]
    assert read_layer(Path("search") / path.stem) == read_layer(path)


@pytest.mark.parametrize(
    "key",
    [
        "learning.training.frozen.learningrate",
        "seed",
        "split.folds",
        "learning.training.frozen",
        "training.dropout",
        "learning.training.dropout.rate",
    ],
)
def test_an_unknown_key_is_refused_by_name(key: str) -> None:
    search, learning = made_up.settings(space={key: {"kind": "int", "low": 1, "high": 3}})
    with pytest.raises(UsageError, match=f"{key!r}, which is no setting"):
        check_space(search.space, learning)


def test_a_range_that_leaves_the_settings_is_refused_before_any_trial() -> None:
    search, learning = made_up.settings(space={"learning.training.dropout": {"kind": "float", "low": 0, "high": 1.5}})
    with pytest.raises(UsageError, match=r"learning\.training\.dropout"):
        check_space(search.space, learning)
    with pytest.raises(UsageError, match="nothing to search"):
        check_space({}, learning)


@pytest.mark.parametrize(
    "knob",
    [
        {"kind": "float", "low": 2, "high": 1},
        {"kind": "float", "low": 0, "high": 1, "log": True},
        {"kind": "float", "low": 0.1, "high": 1, "log": True, "step": 0.1},
        {"kind": "int", "low": 0, "high": 4, "log": True},
        {"kind": "choice", "values": []},
        {"kind": "guess", "low": 0, "high": 1},
        {"low": 0, "high": 1},
    ],
)
def test_a_knob_that_makes_no_sense_is_refused(knob: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"search\.space"):
        made_up.settings(space={"learning.training.dropout": knob})


def test_a_grid_needs_steps_and_is_searched_point_by_point(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--method grid needs a `step`.*frozen\.learning_rate"):
        grid(made_up.settings(method="grid")[0].space)
    space = {
        "learning.training.dropout": {"kind": "float", "low": 0.0, "high": 0.4, "step": 0.2},
        "learning.training.frozen.batch_size": {"kind": "int", "low": 8, "high": 16, "step": 8},
    }
    search, learning = made_up.settings(method="grid", space=space, trials=50)
    study = made_up.sit(url(tmp_path), bench, search, learning)
    points = {tuple(sorted(trial.params.items())) for trial in study.trials}
    assert len(study.trials) == len(points) == studies.grid_size(search) == 6


def test_settings_of_a_trial_differ_in_its_parameters_alone() -> None:
    _, learning = made_up.settings()
    changed = configured(learning, {"learning.training.dropout": 0.4})
    assert changed.training.dropout == 0.4
    assert changed.model_copy(update={"training": learning.training}) == learning


def test_a_url_with_a_password_is_not_recorded() -> None:
    with pytest.raises(UsageError, match="environment variable"):
        made_up.settings(storage="postgresql://me:secret@host/studies")


def test_a_storage_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = made_up.settings(storage="$SEARCH_STORAGE")[0]
    with pytest.raises(UsageError, match="SEARCH_STORAGE"):
        studies.storage_url(search, tmp_path)
    monkeypatch.setenv("SEARCH_STORAGE", "sqlite:///elsewhere.db")
    assert studies.storage_url(search, tmp_path) == "sqlite:///elsewhere.db"


def test_inner_folds_hold_development_cells_only_and_keep_groups_whole() -> None:
    rows = made_up.cells().assign(fold=0)
    rows.loc[rows["group"] == "slide-3", "split"] = "golden"
    golden = GoldenSet(Path("golden"), "digest", "version", {}, rows[rows["split"] == "golden"])
    inner = inner_folds(rows, golden, folds=3, seed=1)
    assert "slide-3" not in set(inner["group"])
    assert len(inner) == (rows["split"] == "development").sum()
    assert (inner.groupby("group")["fold"].nunique() == 1).all()
    assert sorted(inner["fold"].unique()) == [0, 1, 2]
    leaking = rows.assign(split="development")
    with pytest.raises(GateRefused, match="golden set"):
        inner_folds(leaking, golden, folds=3, seed=1)


def test_golden_cells_reach_no_trial(tmp_path: Path, search: SearchSettings) -> None:
    rows = deal_folds(made_up.cells(), folds=3, seed=1)
    with pytest.raises(HematoVisionError, match="not development cells"):
        Bench(rows.assign(split=["golden", *["development"] * 59]), lambda _: NOWHERE, seed=1)
    _, learning = made_up.settings()
    whole = made_up.cells().assign(fold=0)
    whole.loc[whole["group"] == "slide-3", "split"] = "golden"
    is_golden = whole["split"] == "golden"
    golden = GoldenSet(tmp_path, "digest", "version", {}, whole[is_golden])
    where = made_up.write_features(tmp_path, whole[~is_golden])
    bench = Bench(inner_folds(whole, golden, folds=3, seed=1), lambda _: where, seed=1)
    assert bench.run(made_up.request(), learning, search).state == "complete"
    scored = np.concatenate([bench.parts(fold, 0.2)[2].rows for fold in range(3)])
    assert set(bench.cells.loc[scored, "path"]) == set(whole.loc[~is_golden, "path"])


def test_no_cell_is_fitted_validated_and_scored_at_once(bench: Bench) -> None:
    for fold in range(3):
        sides = [set(bench.cells.loc[part.rows, "group"]) for part in bench.parts(fold, 0.2)]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_a_head_trial_scores_what_the_whole_network_would(tmp_path: Path) -> None:
    _, learning = made_up.settings()
    learning = learning.model_copy(update={"backbone": learning.backbone.model_copy(update={"frozen_blocks": 17})})
    rows = deal_folds(made_up.cells(), folds=3, seed=made_up.SEED)
    backbone = load_backbone(learning.backbone, seed=made_up.SEED)
    taps = np.random.default_rng(2).normal(size=(60, 2, 160, 2, 2)).astype(np.float16)
    with torch.inference_mode():
        pooled = backbone.upper(torch.from_numpy(taps.reshape(-1, 160, 2, 2)).float()).numpy().reshape(60, 2, -1)
    cache = FeatureCache(tmp_path)
    for index, sha256 in enumerate(rows["sha256"]):
        cache.write(sha256, taps[index], pooled[index])
    bench = Bench(rows, lambda _: FeatureSet(folder=str(tmp_path), side=64, views=2), seed=made_up.SEED)
    fit, held_out, left_out = bench.parts(1, 0.2)
    features = cache.read(list(rows["sha256"]))
    whole = train(features, fit, held_out, backbone, bench.classes, learning, seed=bench.seed + 2, threads=1)
    logits = torch.from_numpy(predict_logits(whole.network, features, left_out.rows))
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(left_out.targets))
    assert bench.score_fold(learning, 1).log_loss == pytest.approx(float(loss), rel=1e-3)


def test_a_trial_is_given_up_after_the_folds_it_is_granted() -> None:
    assert not hopeless([0.5], PEERS, "macro_f1", MEDIAN)
    assert hopeless([0.5, 0.6], PEERS, "macro_f1", MEDIAN)
    assert not hopeless([0.95, 0.96], PEERS, "macro_f1", MEDIAN)
    assert not hopeless([0.5, 0.6], PEERS[:2], "macro_f1", MEDIAN), "too few peers"
    assert not hopeless([0.5, 0.6], PEERS, "macro_f1", MEDIAN.model_copy(update={"kind": "none"}))
    assert hopeless([0.95, 0.96], PEERS, "log_loss", MEDIAN), "a loss is better low"


def test_a_signed_rank_test_pairs_the_folds() -> None:
    paired = MEDIAN.model_copy(update={"kind": "wilcoxon"})
    assert not hopeless([0.90, 0.91], PEERS, "macro_f1", paired), "two folds cannot say so"
    assert hopeless([0.90, 0.91, 0.90], PEERS, "macro_f1", paired)
    assert not hopeless([0.93, 0.94, 0.90], PEERS, "macro_f1", paired)


def test_a_hopeless_trial_costs_no_further_fold(bench: Bench) -> None:
    search, learning = made_up.settings(pruning={"startup_trials": 2, "after_folds": 2})
    done: list[int] = []
    ended = bench.run(made_up.request(peers=[[2.0, 2.0, 2.0]] * 2), learning, search, done.append)
    assert ended.state == "pruned"
    assert len(ended.folds) == 2
    assert sum(done) == search.folds


def test_pruning_happens_in_a_study_and_never_to_the_best(bench: Bench, tmp_path: Path) -> None:
    space = {"learning.training.frozen.learning_rate": {"kind": "float", "low": 1e-7, "high": 1e-2, "log": True}}
    search, learning = made_up.settings(trials=12, space=space, pruning={"startup_trials": 3, "after_folds": 1})
    study = made_up.sit(url(tmp_path), bench, search, learning)
    pruned = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    assert pruned
    assert all(len(studies.folds_of(trial)) < search.folds for trial in pruned)
    assert studies.ranked(study, search)[0][0].params["learning.training.frozen.learning_rate"] > 1e-5


def test_a_trial_that_cannot_be_trained_fails_with_its_reason(bench: Bench, tmp_path: Path) -> None:
    space = {"learning.backbone.name": {"kind": "choice", "values": ["mobilenet_v2", "no_such_network"]}}
    search, learning = made_up.settings(space=space, trials=4, startup_trials=1)
    study = made_up.sit(url(tmp_path), bench, search, learning)
    failed = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    assert failed
    assert "no_such_network" in studies.reason_of(failed[0])
    assert len(study.trials) == 4


def test_a_seed_gives_the_same_search_and_the_base_comes_first(bench: Bench, tmp_path: Path) -> None:
    search, learning = made_up.settings()
    first, second = (made_up.sit(url(tmp_path, name), bench, search, learning) for name in ("a", "b"))
    assert figures(first) == figures(second)
    assert first.trials[0].params["learning.training.frozen.learning_rate"] == learning.training.frozen.learning_rate


def test_a_killed_process_loses_no_trial_and_doubles_none(bench: Bench, tmp_path: Path) -> None:
    search, learning = made_up.settings()
    database = url(tmp_path)
    script = [sys.executable, "-m", "tests.learning.search_cells", database, str(tmp_path / "features"), "4"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    died = subprocess.run(script, capture_output=True, text=True, timeout=300, env=environment, cwd=PROJECT)
    assert died.returncode == -9, died.stderr
    left = studies.load_study("made-up", database)
    states = [trial.state for trial in left.trials]
    assert states[:4] == [TrialState.COMPLETE] * 4 or TrialState.PRUNED in states[:4]
    assert states[4:] == [TrialState.RUNNING] * 2
    resumed = made_up.sit(database, bench, search, learning)
    assert [trial.number for trial in resumed.trials] == list(range(8))
    assert all(trial.state.is_finished() for trial in resumed.trials)
    assert figures(resumed) == figures(made_up.sit(url(tmp_path, "unbroken"), bench, search, learning))


def test_a_finished_study_asks_nothing_and_a_larger_number_goes_on(bench: Bench, tmp_path: Path) -> None:
    search, learning = made_up.settings(trials=4)
    database = url(tmp_path)
    study = made_up.sit(database, bench, search, learning)
    assert studies.ask_round(study, search, seed=made_up.SEED) == []
    before = figures(study)
    more = made_up.sit(database, bench, search.model_copy(update={"trials": 6}), learning)
    assert figures(more)[:4] == before
    assert len(more.trials) == 6


def test_an_outcome_told_twice_is_recorded_once(tmp_path: Path) -> None:
    search, learning = made_up.settings(trials=2)
    study = studies.open_study("twice", url(tmp_path), search, learning, made_up.IDENTITY)
    asked = studies.ask_round(study, search, seed=1)
    for value in (0.7, 0.9):
        studies.tell(study, outcome(asked[0].number, [value] * 3), search)
    assert study.trials[0].value == pytest.approx(0.7)
    with pytest.raises(HematoVisionError, match="no trial 99"):
        studies.tell(study, outcome(99, [0.5] * 3), search)


def test_a_study_of_other_data_is_not_gone_on_with(tmp_path: Path) -> None:
    search, learning = made_up.settings()
    database = url(tmp_path)
    begun = studies.identity(search, learning, data="one", seed=1)
    studies.open_study("lab", database, search, learning, begun)
    studies.open_study("lab", database, search.model_copy(update={"trials": 99}), learning, begun)
    with pytest.raises(UsageError, match="another data;"):
        studies.open_study("lab", database, search, learning, studies.identity(search, learning, data="two", seed=1))


def test_ties_go_to_the_other_figure_then_to_the_earlier_trial(tmp_path: Path) -> None:
    search, learning = made_up.settings(trials=4, at_once=4)
    study = studies.open_study("ties", url(tmp_path), search, learning, made_up.IDENTITY)
    told = [([0.8] * 3, 0.5), ([0.9] * 3, 0.5), ([0.9] * 3, 0.4), ([0.9] * 3, 0.4)]
    for request, (f1, loss) in zip(studies.ask_round(study, search, seed=1), told, strict=True):
        studies.tell(study, outcome(request.number, f1, loss), search)
    assert [trial.number for trial, _ in studies.ranked(study, search)] == [2, 3, 1, 0]
    by_loss = search.model_copy(update={"objective": "log_loss"})
    assert [trial.number for trial, _ in studies.ranked(study, by_loss)] == [2, 3, 1, 0]


def test_the_interval_of_a_selection_score_holds_losses_above_one() -> None:
    scores = outcome(0, [0.9, 0.8, 0.85], log_loss=1.7).folds
    loss = score_interval(scores, "log_loss", confidence=0.95)
    assert loss.value == loss.low == loss.high == pytest.approx(1.7)
    f1 = score_interval(scores, "macro_f1", confidence=0.95)
    assert f1.low < 0.8 < f1.value < 0.9 < f1.high <= 1


def test_stronger_augmentation_reaches_further_within_bounds() -> None:
    chosen = load_config().learning.augmentation
    assert chosen.at_strength() == chosen
    doubled = chosen.model_copy(update={"strength": 2.0}).at_strength()
    assert doubled.zoom == pytest.approx(2 * chosen.zoom)
    assert doubled.jpeg_quality == 100 - 2 * (100 - chosen.jpeg_quality)
    assert chosen.model_copy(update={"strength": 0.0}).at_strength().jpeg_quality == 100
    assert doubled.rotation_degrees == chosen.rotation_degrees
    assert chosen.model_copy(update={"strength": 3.0, "zoom": 0.9}).at_strength().zoom < 1


def test_a_search_finds_the_features_of_an_ordinary_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def extract(identities: list[str], _: Any, backbone: Any, plan: Any, folder: Path, **__: Any) -> FeatureCache:
        asked.extend(identities)
        return FeatureCache(folder / plan.digest(backbone))

    monkeypatch.setattr(folds, "extract_features", extract)
    _, learning = made_up.settings()
    learning = learning.model_copy(
        update={"augmentation": learning.augmentation.model_copy(update={"view_budget": 300})}
    )
    whole = made_up.cells().assign(height=100)
    whole["width"] = np.where(np.arange(60) < 35, 200, 100)
    whole.loc[:29, "split"] = "golden"
    part = whole[whole["split"] == "development"]

    def prepared(rows: Any, settings: Any) -> FeatureSet:
        return folds.prepare_features(rows, ImageStore(tmp_path), tmp_path, settings, max_pixels=1, workers=1, seed=1)

    ordinary = prepared(whole, learning)
    asked.clear()
    assert prepared(part, folds.resolve_inputs(whole, learning)) == ordinary
    assert asked == list(part["sha256"]), "golden cells were asked for"
    assert prepared(part, learning) != ordinary, "the part alone calls for another side and other views"
