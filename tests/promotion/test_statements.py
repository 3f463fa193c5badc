"""Whatever is changed in a signed decision, and whatever it is tried on, it does not count."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hematovision.home import Home
from hematovision.ledger.keys import Reviewer, fingerprint, public_key
from hematovision.promotion.decisions import Content, Decision, SignedDecision, compose, sign_decision
from hematovision.promotion.policy import load_policy
from hematovision.promotion.reviewed import ReviewedVersion
from hematovision.promotion.rules import Case, objection
from hematovision.registry.versions import RegisteredVersion
from tests.promotion.paper_registry import TEAM, key_of
from tests.promotion.verdicts import paper_verdict

POLICY = load_policy()
PEOPLE = {
    fingerprint(key_of(name)): Reviewer(
        name=name, login=login, roles=roles, public_key=public_key(key_of(name)), fingerprint=fingerprint(key_of(name)),
        revoked=False,
    )
    for name, (login, roles) in TEAM.items()
}  # fmt: skip
BEN = PEOPLE[fingerprint(key_of("Ben"))]
WORDS = st.text(st.characters(categories=("L", "N", "P", "Zs")), min_size=1, max_size=30)
OTHERWISE: dict[str, st.SearchStrategy[Any]] = {
    "action": st.sampled_from(["reject", "comment", "override", "rollback"]),
    "model": st.builds("{}/{}".format, st.sampled_from(["paper", "other"]), st.integers(1, 99)),
    "model_digest": st.text("0123456789abcdef", max_size=64),
    "verdict_digest": st.text("0123456789abcdef", max_size=64),
    "gate": st.sampled_from(["floor.accuracy", "floor.macro_f1"]),
    "name": st.one_of(st.sampled_from(sorted(TEAM)), WORDS),
    "role": st.sampled_from(["engineer", "head of laboratory", "technician"]),
    "login": st.sampled_from(["user:anna", "user:carla", "user:x"]),
    "meaning": WORDS,
    "reason": WORDS,
    "time": st.datetimes().map(lambda moment: moment.isoformat()),
    "nonce": st.text("0123456789abcdef", min_size=32, max_size=32),
}


def _version(number: str, digest: str = "d1") -> ReviewedVersion:
    tags = {"model_digest": digest, "requester": "user:anna", "git_commit": "c0ffee"}
    registered = RegisteredVersion(Home(None), "paper", number, "run", tags)  # type: ignore[arg-type]
    return ReviewedVersion("paper", number, digest, paper_verdict(registered, POLICY, (), None))


def _content() -> Content:
    words = {"role": "pathologist", "reason": "Seen.", "purpose": "research", "login": "user:ben"}
    return compose(_version("1"), BEN, "approve", **words)


def _judged(signed: SignedDecision, reviewed: ReviewedVersion, earlier: list[Decision] | None = None) -> str | None:
    return objection(Case(signed, reviewed, POLICY.review, PEOPLE, earlier or []))


def test_untouched_it_counts() -> None:
    assert _judged(sign_decision(_content(), key_of("Ben")), _version("1")) is None


@pytest.mark.parametrize("field", Content.model_fields)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_changed_word_breaks_the_signature(field: str, data: st.DataObject) -> None:
    signed = sign_decision(_content(), key_of("Ben"))
    other = data.draw(OTHERWISE[field])
    assume(other != getattr(signed.content, field))
    content = signed.content.model_copy(update={field: other})
    for subject in (signed.subject, f"model:{content.model}"):
        forged = SignedDecision(subject=subject, content=content, signature=signed.signature)
        for reviewed in (_version("1"), _version(content.model.rpartition("/")[2], content.model_digest)):
            assert _judged(forged, reviewed) is not None


@settings(max_examples=40, deadline=None)
@given(number=st.integers(2, 10**6).map(str), digest=st.sampled_from(["d1", "d2"]))
def test_it_counts_for_no_other_version_even_of_the_same_bytes(number: str, digest: str) -> None:
    signed = sign_decision(_content(), key_of("Ben"))
    assert "it is about paper/1" in str(_judged(signed, _version(number, digest)))
    moved = signed.model_copy(update={"subject": f"model:paper/{number}"})
    assert "signature does not hold" in str(_judged(moved, _version(number, digest)))


@settings(max_examples=40, deadline=None)
@given(thief=st.sampled_from([name for name in TEAM if name != "Ben"]))
def test_nobody_signs_in_the_name_of_another(thief: str) -> None:
    signed = sign_decision(_content(), key_of(thief))
    assert "the key is that of" in str(_judged(signed, _version("1")))


def test_it_counts_once() -> None:
    signed = sign_decision(_content(), key_of("Ben"))
    first = Decision(number=2, recorded="", content=signed.content, fingerprint=signed.signature.fingerprint)
    assert "recorded before" in str(_judged(signed, _version("1"), [first]))
    again = sign_decision(_content(), key_of("Ben"))
    assert "nobody approves twice" in str(_judged(again, _version("1"), [first]))
