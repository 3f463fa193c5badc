"""Who may decide what: every role by every operation, and no way around."""

from collections.abc import Iterator

import pytest

from hematovision.errors import GateRefused
from hematovision.ledger import add_reviewer, key_request, revoke_reviewer
from hematovision.ledger.keys import fingerprint, reviewers
from hematovision.promotion.decisions import Action, SignedDecision, sign_decision
from tests.promotion.paper_registry import TEAM, Laboratory, key_of

ALLOWED: dict[str, set[Action]] = {
    "pathologist": {"approve", "reject", "comment", "rollback"},
    "engineer": {"approve", "reject", "comment", "rollback"},
    "head of laboratory": {"override", "comment", "rollback"},
    "technician": {"comment"},
    "administrator": {"comment"},
}
HOLDER = {
    "pathologist": "Ben",
    "engineer": "Carla",
    "head of laboratory": "Dora",
    "technician": "Emil",
    "administrator": "Ada",
}
ACTIONS: tuple[Action, ...] = ("approve", "reject", "comment", "override", "rollback")


@pytest.fixture(autouse=True)
def _administered(laboratory: Laboratory) -> None:
    laboratory.enrol("Ada", "user:ada", ["administrator"])


@pytest.mark.parametrize("role", ALLOWED)
def test_every_role_may_do_what_the_policy_says_and_nothing_else(laboratory: Laboratory, role: str) -> None:
    for action in ACTIONS:
        failed = ("floor.accuracy",) if action == "override" else ()
        version = laboratory.register(failed=failed).version
        signed = laboratory.sign(HOLDER[role], action, version, gate="floor.accuracy" if failed else None)
        if action in ALLOWED[role]:
            assert laboratory.record(signed).content.action == action
        else:
            with pytest.raises(GateRefused, match=f"a {role} may not {action}"):
                laboratory.record(signed)
            assert laboratory.standing(version).decisions == []


@pytest.mark.parametrize("role", ALLOWED)
def test_only_an_administrator_rules_over_keys(laboratory: Laboratory, role: str) -> None:
    ledger, holder = laboratory.ledger, key_of(HOLDER[role])
    request = key_request(key_of("Newcomer"), "Newcomer")
    operations = (
        lambda: add_reviewer(ledger, request, ["pathologist"], actor="user:x", administrator=holder),
        lambda: revoke_reviewer(ledger, fingerprint(key_of("Fay")), "gone", actor="user:x", administrator=holder),
    )
    for operation in operations:
        if role == "administrator":
            operation()
        else:
            with pytest.raises(GateRefused, match="administrator"):
                operation()
    people = reviewers(ledger).values()
    assert any(one.name == "Newcomer" for one in people) == (role == "administrator")
    assert next(one for one in people if one.name == "Fay").revoked == (role == "administrator")


@pytest.mark.parametrize("role", ALLOWED)
def test_nobody_promotes_by_their_role_alone(laboratory: Laboratory, role: str) -> None:
    version = laboratory.register().version
    if role in ("pathologist", "engineer"):
        laboratory.decide(HOLDER[role], "approve", version)
    with pytest.raises(GateRefused, match="approval"):
        laboratory.promote(version)
    assert laboratory.alias is None


@pytest.mark.parametrize("action", ["approve", "override"])
def test_nobody_decides_on_their_own_version(laboratory: Laboratory, action: Action) -> None:
    version = laboratory.register(failed=("floor.accuracy",)).version
    words = {"gate": "floor.accuracy", "role": "head of laboratory"} if action == "override" else {"role": "engineer"}
    with pytest.raises(GateRefused, match="Anna asked for this version"):
        laboratory.decide("Anna", action, version, login="user:elsewhere", **words)
    other = "Dora" if action == "override" else "Ben"
    words["role"] = TEAM[other][1][0]
    with pytest.raises(GateRefused, match="signed in the login that asked for this version"):
        laboratory.decide(other, action, version, login="user:anna", **words)


@pytest.mark.parametrize("action", ["reject", "comment"])
def test_a_requester_may_reject_and_comment_on_their_own(laboratory: Laboratory, action: Action) -> None:
    version = laboratory.register().version
    assert laboratory.decide("Anna", action, version, role="engineer").content.name == "Anna"


def test_people_who_share_a_login_are_told_apart_by_what_the_ledger_knows(laboratory: Laboratory) -> None:
    shared = laboratory.with_review(one_login_one_person=False)
    version = shared.register().version
    shared.decide("Ben", "approve", version, login="user:anna")
    with pytest.raises(GateRefused, match="Anna asked for this version"):
        shared.decide("Anna", "approve", version, role="engineer")
    shared.enrol("Unknown", None, ["engineer"])
    with pytest.raises(GateRefused, match="the ledger knows no login of Unknown"):
        shared.decide("Unknown", "approve", version, login="user:anna")


def test_nobody_approves_twice(laboratory: Laboratory) -> None:
    version = laboratory.register().version
    laboratory.decide("Fay", "approve", version, role="engineer")
    for role in ("engineer", "pathologist"):
        with pytest.raises(GateRefused, match="has approved it before"):
            laboratory.decide("Fay", "approve", version, role=role)
    laboratory.enrol("FAY ", "user:other", ["pathologist"])
    with pytest.raises(GateRefused, match="has approved it before"):
        laboratory.decide("FAY ", "approve", version, login="user:other")
    laboratory.enrol("Second Fay", "user:fay", ["pathologist"])
    with pytest.raises(GateRefused, match="has approved it before"):
        laboratory.decide("Second Fay", "approve", version, login="user:fay")
    assert len(laboratory.standing(version).of("approve")) == 1


def test_a_rejection_is_final(laboratory: Laboratory) -> None:
    version = laboratory.register().version
    laboratory.decide("Ben", "approve", version)
    laboratory.decide("Carla", "reject", version, reason="It mistakes blasts for lymphocytes.")
    with pytest.raises(GateRefused, match="Carla has rejected this version"):
        laboratory.decide("Fay", "approve", version)
    with pytest.raises(GateRefused, match="Carla rejected this one .It mistakes blasts"):
        laboratory.promote(version)
    assert laboratory.standing(version).state == "rejected"


def test_code_that_is_no_commit_cannot_be_approved_unless_the_policy_allows_it(laboratory: Laboratory) -> None:
    for commit in ("c0ffee+dirty", "unknown"):
        version = laboratory.register(git_commit=commit).version
        with pytest.raises(GateRefused, match="made from code that is no commit"):
            laboratory.decide("Ben", "approve", version)
        lenient = laboratory.with_review(dirty_tree="allow")
        assert lenient.decide("Ben", "approve", version)
        assert laboratory.standing(version).of("approve") == [], "the stricter policy does not count it"


def test_a_failed_gate_needs_a_named_role_and_stays_visible(laboratory: Laboratory) -> None:
    version = laboratory.register(failed=("floor.accuracy", "floor.macro_f1")).version
    with pytest.raises(GateRefused, match=r"failed floor.accuracy, floor.macro_f1, which nobody has overridden"):
        laboratory.decide("Ben", "approve", version)
    laboratory.decide("Dora", "override", version, gate="floor.accuracy", reason="Ten cells were mislabelled.")
    with pytest.raises(GateRefused, match="failed floor.macro_f1, which"):
        laboratory.decide("Ben", "approve", version)
    with pytest.raises(GateRefused, match="overridden before"):
        laboratory.decide("Dora", "override", version, gate="floor.accuracy")
    with pytest.raises(GateRefused, match="is no gate that it failed"):
        laboratory.decide("Dora", "override", version, gate="floor.recall")
    laboratory.decide("Dora", "override", version, gate="floor.macro_f1")
    laboratory.approve(version)
    moved = laboratory.promote(version)
    assert moved.move.evidence["overridden"] == ["floor.accuracy", "floor.macro_f1"]
    overrides = laboratory.standing(version).of("override")
    assert overrides[0].content.reason == "Ten cells were mislabelled."
    assert "Dora" in laboratory.tags(version)["overrides"]


def test_some_gates_can_be_put_beyond_any_override(laboratory: Laboratory) -> None:
    strict = laboratory.with_review(never_overridden=["evidence.golden"])
    version = strict.register(failed=("evidence.golden",)).version
    with pytest.raises(GateRefused, match="lets nobody override evidence.golden"):
        strict.decide("Dora", "override", version, gate="evidence.golden")


def test_a_version_nobody_judged_cannot_be_approved(laboratory: Laboratory) -> None:
    version = laboratory.register(judged=False).version
    with pytest.raises(GateRefused, match="nobody knows who asked for this version"):
        laboratory.decide("Ben", "approve", version)
    with pytest.raises(GateRefused, match="a verdict of the gates"):
        laboratory.promote(version)


def test_a_new_verdict_asks_for_new_approvals(laboratory: Laboratory) -> None:
    version = laboratory.register().version
    laboratory.approve(version)
    laboratory.judge(version, champion="9")
    assert [one.why for one in laboratory.standing(version).discounted] == [
        "it was signed before the gates judged this version as they do now"
    ] * 2


def test_a_revoked_key_counts_no_more(laboratory: Laboratory) -> None:
    version = laboratory.register().version
    laboratory.approve(version)
    revoke_reviewer(
        laboratory.ledger, fingerprint(key_of("Ben")), "lost laptop", actor="user:dora", administrator=key_of("Ada")
    )
    assert [one.content.name for one in laboratory.standing(version).decisions] == ["Carla"]
    with pytest.raises(GateRefused, match="revoked"):
        laboratory.decide("Ben", "comment", version)
    with pytest.raises(GateRefused, match="an approval by a pathologist"):
        laboratory.promote(version)


def _forged(signed: SignedDecision, other: str) -> Iterator[SignedDecision]:
    """A signature put under other words, and other words under a signature."""
    content, signature = signed.content, signed.signature
    for change in (
        {"model": f"paper/{other}"},
        {"action": "override", "gate": "floor.accuracy"},
        {"name": "Carla"},
        {"role": "head of laboratory"},
        {"reason": "another reason"},
        {"verdict_digest": "0" * 64},
        {"model_digest": "0" * 64},
        {"nonce": "0" * 32},
        {"login": "user:anna"},
    ):
        altered = content.model_copy(update=change)
        yield SignedDecision(subject=f"model:{altered.model}", content=altered, signature=signature)
    yield SignedDecision(subject=f"model:paper/{other}", content=content, signature=signature)
    thief = sign_decision(content, key_of("Carla"))
    yield thief
    yield SignedDecision(
        subject=signed.subject,
        content=content,
        signature=signature.model_copy(update={"fingerprint": thief.signature.fingerprint}),
    )


def test_no_signature_can_be_used_for_anything_else(laboratory: Laboratory) -> None:
    first, second = laboratory.register(content="same").version, laboratory.register(content="same").version
    signed = laboratory.sign("Ben", "approve", first)
    attempts = list(_forged(signed, second))
    for forged in attempts:
        with pytest.raises(GateRefused):
            laboratory.record(forged)
    assert laboratory.standing(first).decisions == laboratory.standing(second).decisions == []
    laboratory.record(signed)
    for again in (signed, *attempts):
        with pytest.raises(GateRefused):
            laboratory.record(again)
    assert len(laboratory.standing(first).decisions) == 1


def test_what_reached_the_ledger_by_other_means_counts_no_more(laboratory: Laboratory) -> None:
    version = laboratory.register().version
    for signed in (
        laboratory.sign("Anna", "approve", version, role="engineer"),
        laboratory.sign("Emil", "approve", version),
        laboratory.sign("Ben", "approve", version, role="head of laboratory"),
    ):
        content = signed.content.model_dump(mode="json")
        laboratory.ledger.append(
            "decision", signed.subject, content, actor=signed.content.name, signature=signed.signature
        )
    standing = laboratory.standing(version)
    assert standing.decisions == [] and len(standing.discounted) == 3
    with pytest.raises(GateRefused, match="approval"):
        laboratory.promote(version)
