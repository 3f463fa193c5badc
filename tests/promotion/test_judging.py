"""Versions in a real registry, judged: the first by itself, the next against the champion."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hematovision.data.store import ImageStore
from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import PROJECT, Home
from hematovision.ledger import open_ledger
from hematovision.promotion.judging import judge
from hematovision.promotion.policy import load_policy
from hematovision.promotion.registration import judge_version
from hematovision.promotion.verdict import PAGE, RECORD, Verdict, kept_at, read_verdict
from hematovision.registry.versions import CHAMPION, client_of, find_version
from tests.promotion.laboratory import Laboratory, first_package, manifest, quick_config, registered, variant

TWIN, CONFUSED = 2, 3


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Laboratory, Verdict]:
    """Three versions; the first was judged before there was a champion, and then became it."""
    root = tmp_path_factory.mktemp("laboratory")
    home = Home(root / "home")
    home.root.mkdir()
    table = manifest(ImageStore(home.images))
    package = first_package(root / "first" / "package", table)
    laboratory = Laboratory(home, "lab", table, quick_config(), package)
    registered(home, "lab", package, table)
    alone = judge(home, "lab", "1", load_policy(), laboratory.config.evaluation, seed=1)
    client_of(home).set_registered_model_alias("lab", CHAMPION, "1")
    registered(home, "lab", variant(package, root / "twin" / "package", seed=2), table)
    swapped = ["lymphocyte", "eosinophil", "monocyte"]
    registered(home, "lab", variant(package, root / "confused" / "package", classes=swapped), table)
    return laboratory, alone


@pytest.fixture(scope="module")
def laboratory(founded: tuple[Laboratory, Verdict]) -> Laboratory:
    return founded[0]


@pytest.fixture(scope="module")
def confused(laboratory: Laboratory) -> Verdict:
    return judge(laboratory.home, "lab", str(CONFUSED), load_policy(), laboratory.config.evaluation, seed=1)


def gates(verdict: Verdict) -> dict[str, bool]:
    return {gate.name: gate.passed for gate in verdict.gates}


def test_the_first_version_is_judged_by_evidence_and_floors(founded: tuple[Laboratory, Verdict]) -> None:
    verdict = founded[1]
    assert verdict.champion is None and verdict.comparison is None
    assert verdict.passed, [gate.says for gate in verdict.gates if not gate.passed]
    assert {gate.about for gate in verdict.gates} == {"evidence", "floor"}
    assert any("no other champion" in note for note in verdict.notes)
    assert verdict.golden_cells == 72 and verdict.requester == "user:ada"


def test_a_first_version_below_a_floor_is_not_passed_for_lack_of_a_rival(laboratory: Laboratory) -> None:
    strict = load_policy(None, {"floors": {"golden_cells": 73, "recall": {"end": 0.999}}})
    verdict = judge(laboratory.home, "lab", "1", strict, laboratory.config.evaluation, seed=1)
    assert not verdict.passed
    assert verdict.failed == ["floor.golden_cells", "floor.recall"]


def test_a_model_as_good_as_the_champion_passes(laboratory: Laboratory) -> None:
    patient = load_policy(None, {"against_champion": {"latency": {"ratio": 100}}})  # of timing, not of speed, here
    verdict = judge(laboratory.home, "lab", str(TWIN), patient, laboratory.config.evaluation, seed=1)
    assert verdict.champion == "lab/1" and verdict.champion_digest != verdict.model_digest
    assert verdict.passed, [gate.says for gate in verdict.gates if not gate.passed]
    assert verdict.comparison and verdict.comparison.accuracy.difference.value == 0
    assert verdict.lost == verdict.won == []
    assert verdict.comparison.latency and verdict.comparison.latency.rounds == 15
    assert {"champion.comparable", "champion.recall", "champion.latency"} <= set(gates(verdict))


def test_a_model_that_confuses_two_classes_fails_by_name(confused: Verdict) -> None:
    assert {"floor.accuracy", "floor.recall", "champion.accuracy", "champion.recall"} <= set(confused.failed)
    assert gates(confused)["data_validated"] and gates(confused)["champion.comparable"]
    assert confused.comparison and confused.comparison.recalls["monocyte"].difference.value == 0
    assert confused.comparison.recalls["eosinophil"].difference.value == pytest.approx(-1)
    assert confused.comparison.mcnemar.only_champion == len(confused.lost) == 48
    assert {(cell.label, cell.challenger) for cell in confused.lost} == {
        ("eosinophil", "lymphocyte"),
        ("lymphocyte", "eosinophil"),
    }
    says = {gate.name: gate.says for gate in confused.gates}
    assert "recall of eosinophil" in says["champion.recall"] and "monocyte" not in says["champion.recall"]


def test_a_verdict_is_kept_with_its_version_and_in_the_ledger(laboratory: Laboratory) -> None:
    judged = judge_version(laboratory.home, laboratory.uri(CONFUSED), laboratory.config)
    version = find_version(laboratory.home, laboratory.uri(CONFUSED))
    assert version.tags["verdict"] == "failed"
    assert version.tags["gate.champion.recall"] == "failed" and version.tags["gate.data_validated"] == "passed"
    tagged = {tag for tag in version.tags if tag.startswith("gate.")}
    assert tagged == {f"gate.{one.name}" for one in judged.verdict.gates}
    assert version.document(RECORD) == version.document(kept_at(judged.verdict.digest)) == judged.verdict.text()
    assert version.document(PAGE) == judged.page.read_text()
    ledger = open_ledger(laboratory.home, None)
    record = list(ledger.records(kind="verdict", subject="model:lab/3"))[-1]
    assert record.content["digest"] == judged.verdict.digest and record.content["passed"] is False
    assert record.content["artifacts"][kept_at(judged.verdict.digest)]["sha256"] == judged.verdict.digest
    (registration,) = ledger.records(kind="registration", subject="model:lab/3")
    assert registration.content["model_digest"] == judged.verdict.model_digest
    assert registration.actor == "user:ada"
    assert read_verdict(laboratory.home, "lab", str(CONFUSED)) == judged.verdict


def test_the_page_stands_alone_and_shows_the_cells_that_were_lost(laboratory: Laboratory) -> None:
    page = judge_version(laboratory.home, laboratory.uri(CONFUSED), laboratory.config).page.read_text()
    assert "Did not pass" in page and "Lost: 48" in page and "Not a medical device" in page
    assert page.count("data:image/jpeg") == load_policy().shown_cells
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page


def test_a_standing_verdict_is_not_made_twice_and_a_changed_policy_makes_a_new_one(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    first = judge_version(laboratory.home, laboratory.uri(TWIN), laboratory.config)
    again = judge_version(laboratory.home, laboratory.uri(TWIN), laboratory.config, anew=False)
    assert again.verdict == first.verdict
    policy = tmp_path / "strict.yaml"
    policy.write_text("floors: {cells_per_class: 1000}\n")
    stricter = judge_version(laboratory.home, laboratory.uri(TWIN), quick_config(str(policy)), anew=False)
    assert stricter.verdict.policy_digest != first.verdict.policy_digest
    assert "floor.cells_per_class" in stricter.verdict.failed
    assert read_verdict(laboratory.home, "lab", str(TWIN)) == stricter.verdict
    judge_version(laboratory.home, laboratory.uri(TWIN), laboratory.config)


@pytest.mark.parametrize("harm", ["alter", "remove"])
def test_a_verdict_changed_behind_the_ledger_is_found(laboratory: Laboratory, harm: str) -> None:
    digest = judge_version(laboratory.home, laboratory.uri(1), laboratory.config).verdict.digest
    (kept,) = laboratory.home.artifacts.rglob(f"{digest}.json")
    text = kept.read_text()
    if harm == "remove":
        kept.unlink()
    else:
        kept.write_text(text.replace('"requester": "user:ada"', '"requester": "user:eve"'))
    with pytest.raises(HematoVisionError, match="not the one in the ledger"):
        read_verdict(laboratory.home, "lab", "1")
    kept.write_text(text)
    assert read_verdict(laboratory.home, "lab", "1")


def test_a_version_without_a_verdict_has_none_and_an_unknown_one_is_wrong_usage(
    laboratory: Laboratory, capfd: pytest.CaptureFixture[str]
) -> None:
    made = registered(laboratory.home, "other", laboratory.package, laboratory.table, validation=None)
    assert find_version(laboratory.home, made.uri).run_id == made.run_id
    assert "other" not in capfd.readouterr().err, "MLflow tells nobody of a new model and its version"
    assert read_verdict(laboratory.home, "other", "1") is None
    verdict = judge(laboratory.home, "other", "1", load_policy(), laboratory.config.evaluation, seed=1)
    assert verdict.failed == ["data_validated"]
    for uri in ("models:/lab/77", "models:/nobody/1", "models:/lab@nobody", "lab/1", "models:/lab"):
        with pytest.raises(UsageError, match="models:/"):
            find_version(laboratory.home, uri)


def test_the_command_refuses_with_exit_code_3(laboratory: Laboratory) -> None:
    program = [sys.executable, "-c", "from hematovision.cli import main; main()"]
    asked = [*program, "gate", "--model", laboratory.uri(CONFUSED), "--json"]
    environment = os.environ | {"HEMATOVISION_HOME": str(laboratory.home.root), "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(asked, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == 1 and document["passed"] is False
    assert "champion.recall" in document["failed"] and "champion.recall" in done.stderr
    assert Path(document["page"]).is_file()
    assert {"name", "passed", "figure", "limit", "interval", "says"} <= set(document["gates"][0])
