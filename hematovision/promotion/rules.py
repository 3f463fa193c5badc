"""When a decision counts. The same rules judge it before it is recorded and whenever it is read.

So a row that reached the ledger by other means than these commands counts no more than they would have let it.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hematovision.errors import GateRefused
from hematovision.ledger.keys import Reviewer, verify
from hematovision.ledger.records import statement
from hematovision.promotion.decisions import DECISION, Action, Content, Decision, SignedDecision
from hematovision.promotion.review_policy import ReviewPolicy
from hematovision.promotion.reviewed import ReviewedVersion

OWN_VERSION = ("approve", "override")
"""What the person who asked for a version may not do to it; they may reject it and comment on it."""


@dataclass(frozen=True)
class Case:
    """A decision with everything it is judged by; `earlier` are the decisions that count so far, in order."""

    signed: SignedDecision
    reviewed: ReviewedVersion
    policy: ReviewPolicy
    reviewers: Mapping[str, Reviewer]
    earlier: Sequence[Decision]

    @property
    def content(self) -> Content:
        """What was signed."""
        return self.signed.content

    @property
    def reviewer(self) -> Reviewer:
        """Whose key signed."""
        return self.reviewers[self.signed.signature.fingerprint]


def _signature(case: Case) -> str | None:
    if case.signed.signature.fingerprint not in case.reviewers:
        return "it is signed with a key that no reviewer has"
    said = statement(DECISION, case.signed.subject, case.content.model_dump(mode="json"))
    try:
        verify(case.signed.signature, said, case.reviewer)
    except GateRefused as error:
        return f"its signature does not hold: {error}"
    return None


def _about_this_version(case: Case) -> str | None:
    content, reviewed = case.content, case.reviewed
    if case.signed.subject != reviewed.subject or content.model != reviewed.model:
        return f"it is about {content.model}, not {reviewed.model}"
    if content.model_digest != reviewed.model_digest:
        return "it was signed for other bytes than this version has"
    if content.action in OWN_VERSION and content.verdict_digest != reviewed.verdict_digest:
        return "it was signed before the gates judged this version as they do now"
    return None


def _said_once(case: Case) -> str | None:
    if any(case.content.nonce == decision.content.nonce for decision in case.earlier):
        return "it has been recorded before"
    return None


def _speaks_for_themselves(case: Case) -> str | None:
    if case.content.name != case.reviewer.name:
        return f"it names {case.content.name}, the key is that of {case.reviewer.name}"
    if case.content.role not in case.reviewer.roles:
        return f"{case.reviewer.name} is {_listed(case.reviewer.roles)}, not {case.content.role}"
    return None


def _role(case: Case) -> str | None:
    allowed = allowed_roles(case.content.action, case.policy)
    if allowed is None or case.content.role in allowed:
        return None
    return f"a {case.content.role} may not {case.content.action}; the policy lets {_listed(allowed)} do it"


def _not_ones_own(case: Case) -> str | None:
    if case.content.action not in OWN_VERSION or case.policy.requester_may_approve:
        return None
    if not case.reviewed.requester:
        return "nobody knows who asked for this version, so nobody can be told apart from them"
    if case.reviewed.requester == case.reviewer.login:
        return f"{case.content.name} asked for this version, and nobody decides on their own"
    if not case.reviewer.login and not case.policy.one_login_one_person:
        return f"the ledger knows no login of {case.content.name}, who may be the one that asked for this version"
    if case.reviewed.requester == case.content.login and case.policy.one_login_one_person:
        return (
            f"it was signed in the login that asked for this version ({case.content.login}); sign in your own, or let "
            "the policy say that people share one (review.one_login_one_person)"
        )
    return None


def _clean_tree(case: Case) -> str | None:
    if case.content.action != "approve" or case.policy.dirty_tree == "allow" or not case.reviewed.dirty:
        return None
    return (
        f"it was made from code that is no commit ({case.reviewed.git_commit or 'unknown'}), so it cannot be made "
        "again; commit and register it anew"
    )


def _gates(case: Case) -> str | None:
    content, verdict = case.content, case.reviewed.verdict
    if content.action not in OWN_VERSION:
        return None
    if verdict is None:
        return "the gates have not judged this version"
    if content.action == "override":
        return _overridable(case)
    still = set(case.reviewed.failed_gates) - overridden(case.earlier)
    return f"it failed {_listed(sorted(still))}, which nobody has overridden" if still else None


def _overridable(case: Case) -> str | None:
    gate = case.content.gate
    if gate not in case.reviewed.failed_gates:
        return f"{gate} is no gate that it failed; it failed {_listed(case.reviewed.failed_gates) or 'none'}"
    if gate in case.policy.never_overridden:
        return f"the policy lets nobody override {gate}"
    return f"{gate} has been overridden before" if gate in overridden(case.earlier) else None


def _once_each(case: Case) -> str | None:
    if case.content.action not in ("approve", "reject"):
        return None
    rejected = next((decision for decision in case.earlier if decision.content.action == "reject"), None)
    if rejected:
        return f"{rejected.content.name} has rejected this version, and a rejection is final"
    if case.content.action == "approve" and any(_approved_by_same(case, decision) for decision in case.earlier):
        return f"{case.content.name} has approved it before, and nobody approves twice"
    return None


def _approved_by_same(case: Case, decision: Decision) -> bool:
    if decision.content.action != "approve":
        return False
    before = case.reviewers[decision.fingerprint]
    return (
        decision.fingerprint == case.reviewer.fingerprint
        or _folded(decision.content.name) == _folded(case.content.name)
        or (before.login is not None and before.login == case.reviewer.login)
    )


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


RULES: Sequence[Callable[[Case], str | None]] = (
    _signature,
    _about_this_version,
    _said_once,
    _speaks_for_themselves,
    _role,
    _not_ones_own,
    _once_each,
    _clean_tree,
    _gates,
)


def allowed_roles(action: Action, policy: ReviewPolicy) -> Sequence[str] | None:
    """Who may act so; None where everybody may whose key is known."""
    if action == "comment":
        return None
    return {"override": policy.override_roles, "rollback": policy.rollback_roles}.get(action, policy.roles)


def overridden(decisions: Sequence[Decision]) -> set[str]:
    """The gates that somebody answers for."""
    return {str(decision.content.gate) for decision in decisions if decision.content.action == "override"}


def objection(case: Case) -> str | None:
    """Why a decision does not count, or None where it does."""
    return next((why for rule in RULES if (why := rule(case)) is not None), None)
