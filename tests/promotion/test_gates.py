"""Every gate with a model that passes it and one that does not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from hematovision.data.validation import ValidationRecord
from hematovision.evaluation.comparison import Answered, Comparison, Latency, compare
from hematovision.evaluation.intervals import Interval
from hematovision.evaluation.metrics import Evaluation, evaluate
from hematovision.evaluation.trust import Trusted, assess_trust
from hematovision.promotion.evidence import Evidence, evidence_gates
from hematovision.promotion.gates import Gate, bounded, champion_gates, floor_gates
from hematovision.promotion.policy import PromotionPolicy, load_policy
from hematovision.promotion.rivals import Rival, comparable
from tests.promotion.laboratory import CLASSES, VALID, failure, manifest, specification

N = 300
TRUTH = np.arange(N) % 3


def answered(wrong: np.ndarray, *, sureness: float = 0.97, sets: np.ndarray | None = None) -> Answered:
    """Answers that take the cells of `wrong` for the next class; a set holds the predicted class alone."""
    predicted = np.where(wrong, (TRUTH + 1) % 3, TRUTH)
    chances = np.full((N, 3), (1 - sureness) / 2)
    chances[np.arange(N), predicted] = sureness
    return Answered(chances, np.eye(3, dtype=bool)[predicted] if sets is None else sets)


def cells(*places: int, of: int = 0) -> np.ndarray:
    """True at the given places among the cells of a class."""
    chosen = np.zeros(N, dtype=bool)
    chosen[np.flatnonzero(of == TRUTH)[list(places)]] = True
    return chosen


GOOD = answered(cells(0))
ALL_CLASSES = np.ones((N, 3), dtype=bool)


def evaluated(given: Answered) -> Evaluation:
    drawn: dict[str, Any] = {"groups": None, "confidence": 0.95, "resamples": 200, "seed": 1, "ece_bins": 10}
    found = evaluate(CLASSES, TRUTH, given.probabilities, **drawn)
    trusted = Trusted(probabilities=given.probabilities, sets=given.sets, uncompleted=given.sets, always=[], asked=0.95)
    return found.model_copy(update={"trust": assess_trust(CLASSES, TRUTH, trusted, shares=[1.0], **drawn)})


def compared(challenger: Answered, champion: Answered = GOOD, **changes: Any) -> Comparison:
    found = compare(
        CLASSES, TRUTH, challenger, champion, groups=None, confidence=0.95, resamples=400, seed=1, ece_bins=10
    )
    return found.model_copy(update=changes)


def failed(gates: list[Gate]) -> set[str]:
    return {gate.name for gate in gates if not gate.passed}


def policy(**changes: Any) -> PromotionPolicy:
    return load_policy(None, changes)


def test_a_good_model_passes_every_floor_of_the_policy_that_ships() -> None:
    gates = floor_gates(evaluated(GOOD), policy().floors)
    assert not failed(gates), [gate.says for gate in gates]
    assert [gate.name for gate in gates] == [
        "floor.golden_cells", "floor.cells_per_class", "floor.accuracy", "floor.macro_f1", "floor.recall", "floor.ece",
        "floor.set_coverage",
    ]  # fmt: skip
    assert all(gate.about == "floor" for gate in gates)


@pytest.mark.parametrize(
    ("gate", "given", "floors"),
    [
        ("golden_cells", GOOD, {"golden_cells": N + 1}),
        ("cells_per_class", GOOD, {"cells_per_class": 101}),
        ("accuracy", answered(cells(*range(40), of=1)), {}),
        ("accuracy", GOOD, {"accuracy": {"value": 0.5, "end": 0.995}}),
        ("macro_f1", answered(cells(*range(40), of=1)), {}),
        ("recall", answered(cells(*range(25), of=1)), {}),
        ("recall", answered(cells(0, 1, 2, of=1)), {"recall_by_class": {"lymphocyte": {"value": 0.98}}}),
        ("ece", answered(cells(0), sureness=0.7), {}),
        ("set_coverage", answered(cells(*range(40), of=2)), {"accuracy": {"value": None, "end": None}}),
    ],
)
def test_each_floor_stops_the_model_below_it(gate: str, given: Answered, floors: dict[str, Any]) -> None:
    assert f"floor.{gate}" in failed(floor_gates(evaluated(given), policy(floors=floors).floors))


def test_a_limit_on_latency_is_a_gate_and_one_that_was_not_measured_fails() -> None:
    floors = policy(floors={"latency_ms": 20}).floors
    found = evaluated(GOOD)
    assert "floor.latency" not in failed(floor_gates(found, floors, latency_ms=20.0))
    assert "floor.latency" in failed(floor_gates(found, floors, latency_ms=20.1))
    assert "floor.latency" in failed(floor_gates(found, floors))
    assert "floor.latency" not in {gate.name for gate in floor_gates(found, policy().floors, latency_ms=9e9)}


def test_the_champions_equal_passes_every_gate() -> None:
    gates = champion_gates(compared(GOOD), policy().against_champion)
    assert not failed(gates), [gate.says for gate in gates]
    assert [gate.name for gate in gates] == [
        "champion.accuracy", "champion.macro_f1", "champion.recall", "champion.set_coverage", "champion.set_size",
        "champion.ece",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "challenger", "rules"),
    [
        ("accuracy", answered(cells(0) | cells(*range(8), of=1)), {}),
        ("accuracy", answered(cells(0) | cells(1, 2, of=1)), {"accuracy": {"loss": 1, "margin": 0.01}}),
        ("macro_f1", answered(cells(0) | cells(*range(8), of=1)), {}),
        ("recall", answered(cells(0) | cells(*range(12), of=1)), {}),
        ("recall", answered(cells(0) | cells(1, of=1)), {"recall_by_class": {"lymphocyte": {"loss": 0.005}}}),
        ("set_coverage", answered(cells(0) | cells(*range(12), of=1)), {}),
        ("set_size", answered(cells(0), sets=ALL_CLASSES), {}),
        ("ece", answered(cells(0), sureness=0.85), {}),
    ],
)
def test_each_margin_stops_the_challenger_beyond_it(gate: str, challenger: Answered, rules: dict[str, Any]) -> None:
    found = failed(champion_gates(compared(challenger), policy(against_champion=rules).against_champion))
    assert f"champion.{gate}" in found


def test_a_better_challenger_is_never_stopped_by_a_margin() -> None:
    worse = answered(cells(*range(30), of=1) | cells(*range(10), of=2), sureness=0.8)
    assert not failed(champion_gates(compared(GOOD, worse), policy().against_champion))


def test_a_slower_challenger_is_stopped() -> None:
    def timed(ratio: float) -> set[str]:
        latency = Latency(
            challenger_ms=ratio, champion_ms=1, ratio=Interval(value=ratio, low=ratio, high=ratio), rounds=15
        )
        return failed(champion_gates(compared(GOOD, latency=latency), policy().against_champion))

    assert timed(1.49) == set()
    assert timed(1.51) == {"champion.latency"}


def test_a_margin_that_so_few_cells_can_never_show_says_how_many_would() -> None:
    rules = policy(against_champion={"recall": {"loss": 0.1, "margin": 0.02}}).against_champion
    (gate,) = [gate for gate in champion_gates(compared(GOOD), rules) if gate.name == "champion.recall"]
    assert not gate.passed
    assert "these cells are worth 100 independent ones, and such a margin needs 183" in gate.says
    assert 1 - 0.025 ** (1 / 183) <= 0.02 < 1 - 0.025 ** (1 / 182)


def test_the_recall_gate_shows_the_class_nearest_to_its_limit_and_names_all_that_failed() -> None:
    both = answered(cells(*range(20), of=1) | cells(*range(30), of=2))
    (gate,) = [gate for gate in champion_gates(compared(both), policy().against_champion) if "recall" in gate.name]
    assert "recall of lymphocyte" in gate.says and "recall of monocyte" in gate.says
    assert "eosinophil" not in gate.says
    assert gate.figure == pytest.approx(-0.30)
    (calm,) = [gate for gate in floor_gates(evaluated(GOOD), policy().floors) if "recall" in gate.name]
    assert calm.figure == pytest.approx(0.99) and "the 2 other classes" in calm.says


def test_a_figure_exactly_on_its_limit_passes_whatever_rounding_says() -> None:
    interval = Interval(value=0.97 - 0.99, low=-0.05, high=0.0)
    assert interval.value < -0.02
    found = bounded("x", "champion", "x", interval, -0.02, -0.05, unit="difference", more_is_better=True)
    assert found.passed
    beyond = Interval(value=-0.0201, low=-0.05, high=0.0)
    assert not bounded("x", "champion", "x", beyond, -0.02, -0.05, unit="difference", more_is_better=True).passed


TABLE = manifest()


def evidence(**changes: Any) -> Evidence:
    made = specification(TABLE)
    tags = {
        **{name: getattr(made, name) for name in ("data_version", "manifest_digest", "golden_digest")},
        "model_digest": "d" * 64, "git_commit": "c" * 40, "zenml_run": "run", "requester": "user:ada",
    }  # fmt: skip
    told: dict[str, Any] = {
        "label": "lab/1", "specification": made, "digest": "d" * 64, "tags": tags, "manifest": TABLE,
        "validation": VALID,
    }  # fmt: skip
    extra = changes.pop("tagged", {})
    return Evidence(**{**told, **changes, "tags": tags | extra})


def missed(**changes: Any) -> set[str]:
    return failed(evidence_gates(evidence(**changes), policy().lineage))


def altered(column: str, value: str, *, golden: bool) -> pd.DataFrame:
    table = TABLE.copy()
    table.loc[table.index[0 if golden else -1], column] = value
    return table


def test_whole_evidence_passes() -> None:
    gates = evidence_gates(evidence(), policy().lineage)
    assert [(gate.name, gate.passed) for gate in gates] == [
        ("data_validated", True), ("lineage_complete", True), ("golden_untouched", True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "found", [None, failure("critical"), ValidationRecord(success=False, failed=[], statistics={})]
)
def test_data_that_failed_validation_or_were_never_validated_are_stopped(found: ValidationRecord | None) -> None:
    assert missed(validation=found) == {"data_validated"}


def test_a_warning_of_the_validation_is_told_and_passes() -> None:
    (gate, *_) = evidence_gates(evidence(validation=failure("warning")), policy().lineage)
    assert gate.passed and "expect_cells" in gate.says


@pytest.mark.parametrize(
    "tagged",
    [
        {"git_commit": "unknown"},
        {"requester": ""},
        {"zenml_run": "unknown"},
        {"model_digest": "e" * 64},
        {"data_version": "another"},
        {"golden_digest": "f" * 64},
    ],
)
def test_a_lineage_with_a_gap_or_a_contradiction_is_stopped(tagged: dict[str, str]) -> None:
    assert missed(tagged=tagged) == {"lineage_complete"}


def test_a_table_of_cells_that_is_missing_or_another_is_stopped() -> None:
    assert missed(manifest=None) == {"lineage_complete", "golden_untouched"}
    assert missed(manifest=altered("label", "lymphocyte", golden=False)) == {"lineage_complete"}
    assert missed(manifest=altered("label", "lymphocyte", golden=True)) == {"lineage_complete", "golden_untouched"}


@pytest.mark.parametrize("column", ["sha256", "pixel_sha256", "group"])
def test_a_golden_cell_among_the_training_cells_is_found_by_bytes_pixels_and_slide(column: str) -> None:
    table = altered(column, str(TABLE[column].iloc[0]), golden=False)
    assert "golden_untouched" in missed(manifest=table)


def test_moving_a_golden_cell_into_training_after_the_fact_is_found() -> None:
    table = TABLE.copy()
    table.loc[0, "split"] = "development"
    assert missed(manifest=table) == {"golden_untouched"}


def test_changed_code_is_noted_not_stopped_here() -> None:
    dirty = evidence(tagged={"git_commit": "c" * 40 + "+dirty"})
    assert dirty.dirty_tree and not evidence().dirty_tree
    assert not failed(evidence_gates(dirty, policy().lineage))


class _Version:
    def __init__(self, table: pd.DataFrame | None) -> None:
        self.label, self._table = "lab/1", table

    def manifest(self) -> pd.DataFrame | None:
        return self._table


class _Predictor:
    def __init__(self, specified: Any) -> None:
        self.specification = specified


def rival(table: pd.DataFrame | None, **changes: Any) -> Rival:
    specified = specification(TABLE if table is None else table, **changes)
    return Rival(_Version(table), "d", _Predictor(specified))  # type: ignore[arg-type]


def unfair(challenger: Rival, champion: Rival) -> dict[str, str]:
    golden = TABLE[TABLE["split"] == "golden"]
    return {gate.name: gate.says for gate in comparable(challenger, champion, golden) if not gate.passed}


def test_models_of_one_golden_set_are_compared() -> None:
    assert unfair(rival(TABLE), rival(TABLE)) == {}


def test_another_golden_set_is_no_hindrance_where_the_champion_learnt_none_of_these_cells() -> None:
    assert unfair(rival(TABLE), rival(manifest(seed=2))) == {}


@pytest.mark.parametrize("column", ["sha256", "pixel_sha256"])
def test_a_champion_that_learnt_a_golden_cell_cannot_be_compared_with(column: str) -> None:
    learnt = manifest(seed=2)
    learnt.loc[learnt.index[-1], column] = TABLE[column].iloc[3]
    says = unfair(rival(TABLE), rival(learnt))
    assert set(says) == {"champion.comparable"}
    assert "learnt from 1 of these 72 golden cells, 1/003.png first" in says["champion.comparable"]


def test_a_champion_that_cannot_say_what_it_learnt_from_cannot_be_compared_with() -> None:
    says = unfair(rival(TABLE), rival(None, golden_digest="another"))
    assert "no table of the cells" in says["champion.comparable"]


def test_a_challenger_that_lost_a_class_or_knows_generated_cells_only_is_stopped() -> None:
    four = [*CLASSES, "basophil"]
    sets = specification(TABLE).sets.model_copy(update={"limits": [0.6] * 4, "cells": [40] * 4})
    assert set(unfair(rival(TABLE), rival(TABLE, classes=four, sets=sets))) == {"champion.classes_kept"}
    assert unfair(rival(TABLE, classes=four, sets=sets), rival(TABLE)) == {}
    assert unfair(rival(TABLE), rival(TABLE, classes=["Eosinophils", "lymphocyte", "Monocyte"])) == {}
    assert set(unfair(rival(TABLE), rival(TABLE, synthetic=False))) == {"champion.real_cells"}
    assert unfair(rival(TABLE, synthetic=False), rival(TABLE)) == {}
