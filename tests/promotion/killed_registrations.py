"""Registrations with their verdict, and decisions, through the code of a real run, to be killed; the model is a toy."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hematovision.config import RunConfig, load_config
from hematovision.data.manifest import DEVELOPMENT, GOLDEN
from hematovision.data.store import ImageStore
from hematovision.evaluation.cross_validation import CrossValidation, FoldPredictions, pool_folds
from hematovision.evaluation.metrics import Evaluation
from hematovision.evaluation.report import draw_report
from hematovision.evaluation.report_content import Data, Provenance, ReportContent
from hematovision.home import Home
from hematovision.ledger.verification import verify_ledger
from hematovision.monitoring.reference import build_reference
from hematovision.promotion.evidence import VALIDATION
from hematovision.promotion.judging import Measured
from hematovision.promotion.policy import load_policy
from hematovision.promotion.recovery import recover
from hematovision.promotion.registration import judge_version
from hematovision.promotion.verdict import RECORD, read_verdict
from hematovision.registry.assessment import evaluate_answers, known_groups
from hematovision.registry.catalogue import list_versions, read_aliases
from hematovision.registry.custody import measure_artifact, registry_facts
from hematovision.registry.model_card import MARKDOWN
from hematovision.registry.predictor import Predictor
from hematovision.registry.publication import CandidateSummary, keep_candidate, publish
from hematovision.registry.scoring import score_rows
from hematovision.registry.versions import CHALLENGER, CHAMPION, RegisteredVersion, client_of
from tests.promotion.killing import found_true
from tests.promotion.laboratory import CLASSES, VALID, first_package, manifest, variant
from tests.promotion.paper_registry import NAME, Laboratory, prepare_laboratory

PEOPLE = {"dirty_tree": "allow", "one_login_one_person": False}


def _config() -> RunConfig:
    changes = {"evaluation": {"resamples": 100}, "registry": {"model_name": NAME}, "data": "cells"}
    return load_config(None, changes)


@dataclass(frozen=True)
class Trained:
    """Everything that the steps of a run hand to `register_model`, for one package of the toy model."""

    home: Home
    package: Path
    table: pd.DataFrame

    @cached_property
    def measured(self) -> Measured:
        """What the package says of the golden cells."""
        rows = self.table[self.table["split"] == GOLDEN].sort_values("path")
        predictor = Predictor.load(self.package)
        scored = score_rows(predictor, rows, ImageStore(self.home.images))
        settings = _config().evaluation
        groups = known_groups(scored.rows)
        evaluation = evaluate_answers(predictor, scored.truth, scored.answers, groups, settings, seed=1)
        return Measured(scored.answers.probabilities, evaluation)

    @property
    def folds(self) -> CrossValidation:
        """Two folds that were right about most cells."""
        truth = np.arange(60) % 3
        chances = 0.1 + 0.7 * np.eye(3)[truth]
        parts = [FoldPredictions(fold, truth, chances, None, 3, 1.0) for fold in (0, 1)]
        return pool_folds(CLASSES, parts, confidence=0.95, resamples=100, seed=1, ece_bins=10)

    def reference(self, folder: Path) -> Path:
        """A monitoring reference of made embeddings."""
        rng = np.random.default_rng(3)
        odds = rng.random((120, 3)).astype(np.float32)
        reference = build_reference(
            rng.normal(size=(120, 8)).astype(np.float32),
            pd.DataFrame({"brightness": rng.normal(120, 5, 120)}),
            odds / odds.sum(axis=1, keepdims=True),
            CLASSES,
            settings=_config().monitoring,
            seed=1,
        )
        reference.save(folder)
        return folder

    def candidate(self, evaluation: Evaluation, folds: CrossValidation) -> CandidateSummary:
        """As `write_report` leaves it."""
        content = ReportContent(
            model=NAME,
            evaluated_on="golden set",
            data=Data(
                name="cells",
                version="laboratory-1",
                source="cells",
                n=len(self.table),
                synthetic=True,
                counts={label: {DEVELOPMENT: 12, GOLDEN: 24} for label in CLASSES},
                contact_sheet={},
            ),
            evaluation=evaluation,
            cross_validation=folds,
            provenance=Provenance(git_commit="c0ffee", dirty=False, zenml_run="run-1"),
        )
        kept = keep_candidate(
            self.home, self.package, draw_report(content), len(self.table), 0, folds, evaluation, "cells"
        )
        return kept[0]

    def register(self) -> str:
        """As the steps `register_model` and `judge_model` do it; gives the version."""
        config, measured, folds = _config(), self.measured, self.folds
        summary = publish(
            self.home,
            self.candidate(measured.evaluation, folds),
            self.package,
            self.reference(self.home.root / "reference"),
            {"data/manifest.csv": self.table.to_csv(index=False), VALIDATION: VALID.model_dump_json()},
            folds,
            measured.evaluation,
            [],
            config,
            files={},
            pipeline_run="run-1",
        )
        judge_version(self.home, summary.model.uri, config, measured=measured, anew=False)
        return summary.model.version


def _open(root: Path) -> Laboratory:
    return Laboratory(Home(root), load_policy(changes={"review": PEOPLE}))


def _trained(root: Path, which: str) -> Trained:
    home = Home(root)
    return Trained(home, root / which / "package", manifest(ImageStore(home.images)))


def _champion_and_twin(root: Path) -> Laboratory:
    """Version 1 serves; its twin is trained and not registered yet."""
    prepare_laboratory(root)
    laboratory = _open(root)
    trained = _trained(root, "first")
    first_package(trained.package, trained.table)
    variant(trained.package, root / "twin" / "package", seed=2)
    trained.register()
    _approve(laboratory, "1")
    laboratory.promote("1")
    return laboratory


def _approve(laboratory: Laboratory, version: str) -> None:
    """By two people, and by one more where a gate failed: without git nobody knows the commit."""
    for gate in laboratory.standing(version).failed_gates:
        laboratory.decide("Dora", "override", version, gate=gate)
    laboratory.approve(version)


class ARegistration:
    """A second version is registered and judged while the first serves."""

    name = "a registration"

    def prepare(self, root: Path) -> None:
        _champion_and_twin(root)

    def move(self, root: Path) -> None:
        _trained(root, "twin").register()

    def examine(self, root: Path) -> dict[str, Any]:
        laboratory = _open(root)
        list(recover(laboratory.home, database=None))
        versions = list_versions(laboratory.home, NAME)
        problems = [*_registry_problems(laboratory, versions), *_problems(laboratory, "1")]
        judged = "verdict" in versions[0].tags
        outcome = "no version" if len(versions) == 1 else "a judged version" if judged else "a version to be judged"
        if len(versions) == 1:
            again = _trained(root, "twin").register()
            problems += [] if laboratory.tags(again)["verdict"] else ["it could not be registered afterwards"]
        elif not judged:
            again = _trained(root, "twin").register()
            problems += [] if again == "2" else ["the run begun again made a second version"]
            problems += [] if laboratory.tags("2")["verdict"] else ["it could not be judged afterwards"]
        return {"outcome": outcome, "problems": problems + _problems(laboratory, "1")}


class ARejection:
    """Somebody rejects a version that is registered, judged and has a card."""

    name = "a rejection"

    def prepare(self, root: Path) -> None:
        laboratory = _champion_and_twin(root)
        _trained(root, "twin").register()
        laboratory.decide("Ben", "comment", "2")

    def move(self, root: Path) -> None:
        _open(root).decide("Ben", "reject", "2")

    def examine(self, root: Path) -> dict[str, Any]:
        laboratory = _open(root)
        list(recover(laboratory.home, database=None))
        standing = laboratory.standing("2")
        decided = bool(standing.of("reject"))
        versions = list_versions(laboratory.home, NAME)
        tag = laboratory.tags("2").get("standing", "")
        card = str(versions[0].document(MARKDOWN))
        problems = found_true(
            {
                f"the tag says {tag!r}": tag.startswith("rejected") != decided,
                "the card does not show what the ledger says": ("| reject" in card) != decided,
            }
        )
        outcome = "decided" if decided else "undecided"
        return {"outcome": outcome, "problems": [*problems, *_problems(laboratory, "1")]}


class ACardedPromotion:
    """A version with package, card and approvals takes over from another."""

    name = "a promotion with cards"

    def prepare(self, root: Path) -> None:
        laboratory = _champion_and_twin(root)
        _trained(root, "twin").register()
        _approve(laboratory, "2")

    def move(self, root: Path) -> None:
        _open(root).promote("2")

    def examine(self, root: Path) -> dict[str, Any]:
        laboratory = _open(root)
        left = laboratory.alias
        list(recover(laboratory.home, database=None))
        problems = _problems(laboratory, left)
        for version in list_versions(laboratory.home, NAME):
            aliases = re.search(r"Aliases: ([^.]*)", str(version.document(MARKDOWN)))
            on_card = aliases is not None and CHAMPION in aliases[1].split(", ")
            if on_card != (version.version == left):
                problems.append(f"the card of {version.label} is not of now")
        return {"outcome": "new" if left == "2" else "old", "problems": problems}


def _problems(laboratory: Laboratory, serves: str | None) -> list[str]:
    """What must hold whatever was killed."""
    home, ledger = laboratory.home, laboratory.ledger
    verified = verify_ledger(ledger, measure=lambda uri: measure_artifact(home, uri), registry=registry_facts(home))
    aliases = read_aliases(home, NAME)
    return [str(finding) for finding in verified.findings] + found_true(
        {
            f"{aliases.get(CHAMPION)} serves, not {serves}": aliases.get(CHAMPION) != serves,
            "a mark is still there": any(home.unfinished.glob("*")) or home.champion_moving.exists(),
        }
    )


def _registry_problems(laboratory: Laboratory, versions: list[RegisteredVersion]) -> list[str]:
    client, home = client_of(laboratory.home), laboratory.home
    experiment = client.get_experiment_by_name(NAME).experiment_id
    running = [run.info.run_id for run in client.search_runs([experiment]) if run.info.status == "RUNNING"]
    recorded = {record.subject for record in laboratory.ledger.records(kind="registration")}
    judged = [version for version in versions if read_verdict(home, NAME, version.version) is not None]
    challenger = read_aliases(home, NAME).get(CHALLENGER)
    problems = found_true(
        {
            f"runs {running} have no end": bool(running),
            f"records of {recorded}": recorded != {f"model:{version.label}" for version in versions},
            f"the challenger is {challenger}": challenger != judged[0].version,
        }
    )
    return problems + [problem for version in versions for problem in _half_written(home, version)]


def _half_written(home: Home, version: RegisteredVersion) -> list[str]:
    verdict = read_verdict(home, NAME, version.version)
    gates = {tag.removeprefix("gate.") for tag in version.tags if tag.startswith("gate.")}
    shown = version.document(RECORD)
    described = client_of(home).get_model_version(NAME, version.version).description
    found = {
        "no card": version.document(MARKDOWN) is None,
        "no description": not described,
        "tags of gates that are not those of the verdict": gates != {gate.name for gate in verdict.gates}
        if verdict
        else bool(gates),
        "a verdict on show that is not the one recorded": (json.loads(shown) if shown else None)
        != (json.loads(verdict.text()) if verdict else None),
    }
    return [f"{version.label}: {problem}" for problem in found_true(found)]


REGISTRATIONS = (ARegistration(),)
DECISIONS = (ARejection(), ACardedPromotion())
