"""Where a version stands under the policy: who decided what, what counts, what is missing before it may serve."""

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from hematovision.errors import GateRefused
from hematovision.ledger import Ledger
from hematovision.ledger.keys import Reviewer, reviewers
from hematovision.ledger.records import Record
from hematovision.promotion.decisions import DECISION, Action, Decision, SignedDecision, signed_of
from hematovision.promotion.moves import History
from hematovision.promotion.policy import PromotionPolicy
from hematovision.promotion.reviewed import ReviewedVersion
from hematovision.promotion.rules import Case, objection, overridden

State = Literal["champion", "former champion", "approved", "waiting", "rejected", "refused by gates"]
LONGEST_TAG = 1000


class Discounted(BaseModel):
    """A decision record that does not count, and why not."""

    model_config = ConfigDict(frozen=True)

    number: int
    actor: str
    why: str


class Standing(BaseModel):
    """What the policy says of a version now.

    Attributes:
        decisions: those that count, in order. discounted: the others.
        overridden: failed gates that somebody answers for.
        missing: what has to happen before it may be promoted, in words; nothing where it may.
        waits_for_people: whether decisions alone can bring what is missing.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    state: State
    model_digest: str
    verdict_digest: str
    requester: str
    git_commit: str
    verdict: Literal["passed", "failed", "none"]
    failed_gates: list[str]
    overridden: list[str]
    decisions: list[Decision]
    discounted: list[Discounted]
    missing: list[str]
    waits_for_people: bool

    def of(self, action: Action) -> list[Decision]:
        """The decisions of one kind that count."""
        return [decision for decision in self.decisions if decision.content.action == action]


def weigh(
    records: Iterable[Record],
    reviewed: ReviewedVersion,
    policy: PromotionPolicy,
    people: Mapping[str, Reviewer],
    history: History,
) -> Standing:
    """The standing that decision records, filed under the version, give it."""
    counted: list[Decision] = []
    discounted: list[Discounted] = []
    for record in records:
        signed = signed_of(record)
        why = _why_not(record, signed, reviewed, policy, people, counted, history)
        if signed is None or why is not None:
            discounted.append(Discounted(number=record.number, actor=record.actor, why=str(why)))
        else:
            counted.append(_decision(record, signed))
    verdicts = _missing_verdict(reviewed, policy, history)
    from_people = [*_missing_overrides(reviewed, policy, counted), *_missing_approvals(policy, counted)]
    missing = [*verdicts, *from_people]
    rejected = any(one.content.action == "reject" for one in counted)
    return Standing(
        model=reviewed.model,
        state=_state(reviewed, counted, missing, history),
        model_digest=reviewed.model_digest,
        verdict_digest=reviewed.verdict_digest,
        requester=reviewed.requester,
        git_commit=reviewed.git_commit,
        verdict="none" if reviewed.verdict is None else "passed" if reviewed.verdict.passed else "failed",
        failed_gates=reviewed.failed_gates,
        overridden=sorted(overridden(counted)),
        decisions=counted,
        discounted=discounted,
        missing=missing,
        waits_for_people=bool(from_people) and not verdicts and not rejected,
    )


def _why_not(
    record: Record,
    signed: SignedDecision | None,
    reviewed: ReviewedVersion,
    policy: PromotionPolicy,
    people: Mapping[str, Reviewer],
    counted: list[Decision],
    history: History,
) -> str | None:
    if signed is None:
        return "it is no signed decision"
    end = history.taken_back.get(reviewed.version, 0)
    if signed.content.action == "approve" and record.number < end:
        return f"the version was taken back since, by record {end}"
    return objection(Case(signed, reviewed, policy.review, people, counted))


def _state(reviewed: ReviewedVersion, counted: list[Decision], missing: list[str], history: History) -> State:
    if reviewed.version == history.champion:
        return "champion"
    if reviewed.version in history.champions:
        return "former champion"
    if any(decision.content.action == "reject" for decision in counted):
        return "rejected"
    if set(reviewed.failed_gates) - overridden(counted):
        return "refused by gates"
    return "waiting" if missing else "approved"


def _decision(record: Record, signed: SignedDecision) -> Decision:
    return Decision(
        number=record.number, recorded=record.time, content=signed.content, fingerprint=signed.signature.fingerprint
    )


def _missing_verdict(reviewed: ReviewedVersion, policy: PromotionPolicy, history: History) -> list[str]:
    verdict = reviewed.verdict
    if verdict is None:
        return ["a verdict of the gates"]
    missing = []
    if verdict.policy_digest != policy.digest:
        missing.append("a new verdict: the limits of the policy have changed since it was judged")
    against = verdict.champion.rpartition("/")[2] if verdict.champion else None
    if history.champion not in (against, reviewed.version):
        now = f"version {history.champion}" if history.champion else "none"
        missing.append(f"a new verdict: it was compared with {against or 'no champion'}, the champion is {now}")
    return missing


def _missing_overrides(reviewed: ReviewedVersion, policy: PromotionPolicy, counted: list[Decision]) -> list[str]:
    who = " or ".join(policy.review.override_roles) or "nobody"
    still = [gate for gate in reviewed.failed_gates if gate not in overridden(counted)]
    return [f"an override of the failed gate {gate} by a {who}, or a model that passes it" for gate in still]


def _missing_approvals(policy: PromotionPolicy, counted: list[Decision]) -> list[str]:
    rejected = [decision.content for decision in counted if decision.content.action == "reject"]
    if rejected:
        return [f"another version: {rejected[0].name} rejected this one ({rejected[0].reason})"]
    approvals = [decision.content for decision in counted if decision.content.action == "approve"]
    review = policy.review
    absent = sorted(set(review.each_of) - {approval.role for approval in approvals})
    missing = [f"an approval by a {role}" for role in absent]
    more = review.approvals - len(approvals)
    if more > len(absent):
        missing.append(f"{more} approval{'s' * (more > 1)} by a {' or '.join(review.roles)}{' in all' * bool(absent)}")
    return missing


def standing_of(ledger: Ledger, reviewed: ReviewedVersion, policy: PromotionPolicy, history: History) -> Standing:
    """The standing of a version as the ledger has it now."""
    records = ledger.records(kind=DECISION, subject=reviewed.subject)
    return weigh(records, reviewed, policy, reviewers(ledger), history)


def refuse_decision(
    ledger: Ledger, signed: SignedDecision, reviewed: ReviewedVersion, policy: PromotionPolicy, history: History
) -> None:
    """Do nothing where a decision counts.

    Raises:
        GateRefused: it does not, saying why.
    """
    earlier = standing_of(ledger, reviewed, policy, history).decisions
    why = objection(Case(signed, reviewed, policy.review, reviewers(ledger), earlier))
    if why is not None:
        raise GateRefused(f"This {signed.content.action} of {reviewed.model} does not count: {why}.")


def record_decision(
    ledger: Ledger, signed: SignedDecision, reviewed: ReviewedVersion, policy: PromotionPolicy, history: History
) -> Decision:
    """Write a decision into the ledger; it is on disk when this returns.

    Raises:
        GateRefused: the decision does not count, saying why; nothing is written.
    """
    refuse_decision(ledger, signed, reviewed, policy, history)
    record = ledger.append(
        DECISION,
        signed.subject,
        signed.content.model_dump(mode="json"),
        actor=signed.content.name,
        signature=signed.signature,
        unique=f"decision:{signed.content.nonce}",
    )
    return _decision(record, signed)


def standing_tags(standing: Standing) -> dict[str, str]:
    """What MLflow's page of the version shows a reviewer: where it stands, who approved, who overrode what and why."""
    approvals = [f"{one.content.name} ({one.content.role})" for one in standing.of("approve")]
    overrides = [
        f"{one.content.gate}: {one.content.name} ({one.content.role}): {one.content.reason}"
        for one in standing.of("override")
    ]
    missing = f": needs {'; '.join(standing.missing)}" if standing.state == "waiting" else ""
    tags = {"standing": standing.state + missing, "approvals": ", ".join(approvals) or "none"}
    if overrides:
        tags["overrides"] = " | ".join(overrides)
    return {name: text[:LONGEST_TAG] for name, text in tags.items()}
