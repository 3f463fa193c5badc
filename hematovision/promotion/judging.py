"""Judging a registered version by the policy and, on the same golden cells, against the champion."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from hematovision.config import EvaluationSettings
from hematovision.data.golden import golden_part
from hematovision.data.store import ImageStore
from hematovision.data.validation import ValidationRecord
from hematovision.evaluation.comparison import Comparison, Latency, compare, compare_latency
from hematovision.evaluation.metrics import Evaluation
from hematovision.home import Home
from hematovision.progress import Progress
from hematovision.promotion.evidence import VALIDATION, Evidence, evidence_gates
from hematovision.promotion.gates import Gate, champion_gates, floor_gates, plain_gate
from hematovision.promotion.policy import PromotionPolicy
from hematovision.promotion.rivals import ChangedCell, Rival, comparable, face, time_in_turns
from hematovision.promotion.verdict import Verdict
from hematovision.registry.assessment import evaluate_answers, known_groups
from hematovision.registry.scoring import score_rows
from hematovision.registry.versions import CHAMPION, aliased, find_version


@dataclass(frozen=True)
class Measured:
    """A version's golden figures where a run has just measured them: probabilities (N, C) by path, evaluation."""

    probabilities: np.ndarray
    evaluation: Evaluation


@dataclass(frozen=True)
class Case:
    """All that judging one version needs.

    Attributes:
        champion: None where there is none, or the version itself is it.
        measured: None where the version is to be scored anew.
    """

    home: Home
    challenger: Rival
    champion: Rival | None
    policy: PromotionPolicy
    settings: EvaluationSettings
    seed: int
    measured: Measured | None = None
    progress: Progress | None = None


@dataclass
class Findings:
    """What judging found so far."""

    gates: list[Gate]
    cells: int = 0
    comparison: Comparison | None = None
    lost: list[ChangedCell] = field(default_factory=list)
    won: list[ChangedCell] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def judge(
    home: Home,
    name: str,
    version: str,
    policy: PromotionPolicy,
    settings: EvaluationSettings,
    *,
    seed: int,
    measured: Measured | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Hold a registered version against the policy and, on the same golden cells, against the champion.

    Nothing is written. Without `measured` the version's own package is scored anew.

    Raises:
        UsageError: there is no such version. HematoVisionError: a package was altered, or a golden cell is missing.
    """
    found = find_version(home, f"models:/{name}/{version}")
    challenger = Rival.load(found)
    before = aliased(home, name, CHAMPION)
    champion = None if before in (None, found.version) else Rival.load(find_version(home, f"models:/{name}/{before}"))
    case = Case(home, challenger, champion, policy, settings, seed, measured, progress)
    evidence = evidence_of(challenger)
    findings = Findings(evidence_gates(evidence, policy.lineage), notes=_notes(evidence, champion))
    if evidence.manifest is None:
        findings.gates.append(plain_gate("floor.accuracy", "floor", False, "without the table of cells: not measured"))
    else:
        _measure(case, golden_part(evidence.manifest).sort_values("path", kind="stable"), findings)
    return _pronounce(case, evidence, findings)


def evidence_of(challenger: Rival) -> Evidence:
    """What a version's run holds beside the model."""
    text = challenger.version.document(VALIDATION)
    return Evidence(
        label=challenger.version.label,
        specification=challenger.specification,
        digest=challenger.digest,
        tags=challenger.version.tags,
        manifest=challenger.version.manifest(),
        validation=None if text is None else ValidationRecord.model_validate_json(text),
    )


def _measure(case: Case, golden: pd.DataFrame, findings: Findings) -> None:
    """Floors from the challenger's own figures, then the champion's on the same cells."""
    store, rules = ImageStore(case.home.images), case.policy
    known = case.measured.probabilities if case.measured and len(case.measured.probabilities) == len(golden) else None
    if case.measured and known is not None:
        evaluation = case.measured.evaluation
    else:
        scored = score_rows(case.challenger.predictor, golden, store, progress=case.progress)
        groups = known_groups(scored.rows)
        evaluation = evaluate_answers(
            case.challenger.predictor, scored.truth, scored.answers, groups, case.settings, seed=case.seed
        )
        known = scored.answers.probabilities if len(scored.rows) == len(golden) else None
    findings.cells = evaluation.n
    latency = _latency(case, golden, store)
    milliseconds = latency.challenger_ms if latency else None
    findings.gates += floor_gates(evaluation, rules.floors, latency_ms=milliseconds)
    if case.champion:
        _face(case, case.champion, golden, store, known, latency, findings)


def _face(
    case: Case,
    champion: Rival,
    golden: pd.DataFrame,
    store: ImageStore,
    known: np.ndarray | None,
    latency: Latency | None,
    findings: Findings,
) -> None:
    fair = comparable(case.challenger, champion, golden)
    findings.gates += fair
    if not fair[0].passed:
        return
    met = face(case.challenger, champion, golden, store, known=known, progress=case.progress)
    rules = case.policy.against_champion
    found = compare(
        met.classes,
        met.truth,
        met.challenger,
        met.champion,
        groups=known_groups(met.rows),
        confidence=rules.confidence,
        resamples=rules.resamples,
        seed=case.seed,
        ece_bins=case.settings.ece_bins,
    ).model_copy(update={"latency": latency})
    findings.comparison = found
    findings.lost, findings.won = met.changed()
    findings.gates += champion_gates(found, rules)
    if met.unread:
        findings.notes.append(f"{met.unread} golden cells were refused by one of the models and are left out.")


def _latency(case: Case, golden: pd.DataFrame, store: ImageStore) -> Latency | None:
    """Both models in turns, or the challenger beside itself where only a floor asks for it."""
    rules = case.policy.against_champion.latency
    wanted = (case.champion and rules.ratio is not None) or case.policy.floors.latency_ms is not None
    if not wanted or golden.empty:
        return None
    pictures = [store.read(sha256) for sha256 in golden["sha256"].iloc[: rules.rounds]]
    rival = case.champion or case.challenger
    seconds = time_in_turns([case.challenger.predictor, rival.predictor], pictures, rounds=rules.rounds)
    against = case.policy.against_champion
    return compare_latency(
        seconds[0], seconds[1], confidence=against.confidence, resamples=against.resamples, seed=case.seed
    )


def _notes(evidence: Evidence, champion: Rival | None) -> list[str]:
    told = []
    if evidence.dirty_tree:
        told.append("The code was changed after the commit it names, so nobody can check out what made this model.")
    if evidence.specification.synthetic:
        told.append("Generated cells only: these figures say nothing about real ones.")
    if champion is None:
        told.append("There is no other champion to compare with: evidence and floors alone were judged.")
    return told


def _pronounce(case: Case, evidence: Evidence, findings: Findings) -> Verdict:
    specification, champion = case.challenger.specification, case.champion
    return Verdict(
        time=datetime.now(UTC).isoformat(timespec="microseconds"),
        model=evidence.label,
        model_digest=evidence.digest,
        data_version=specification.data_version,
        synthetic=specification.synthetic,
        golden_digest=specification.golden_digest,
        golden_cells=findings.cells,
        champion=champion.version.label if champion else None,
        champion_digest=champion.digest if champion else None,
        requester=evidence.tags.get("requester", "unknown"),
        git_commit=evidence.tags.get("git_commit", "unknown"),
        dirty_tree=evidence.dirty_tree,
        passed=all(gate.passed for gate in findings.gates),
        gates=findings.gates,
        comparison=findings.comparison,
        lost=findings.lost,
        won=findings.won,
        notes=findings.notes,
        policy_digest=case.policy.digest,
        policy=case.policy.judged_by,
    )
