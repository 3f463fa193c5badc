"""Whatever people do, in whatever order: the state follows from the votes, and nothing is lost or doubled."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from hematovision.errors import GateRefused, UsageError
from hematovision.feedback.adjudication import person
from hematovision.feedback.records import Correction, Item
from hematovision.home import Home
from hematovision.ledger import open_ledger
from tests.feedback.cells import store_at, tiny

PEOPLE = ("ann", "bob", "cat", "Ann ", "eve")
PICTURES = tuple(tiny(number) for number in range(2))
LABELS = ("lymphocyte", "monocyte")


class Feedback(RuleBasedStateMachine):
    """Corrections and votes against a plain model of what should follow."""

    made = Bundle("made")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.home = Home(Path(self.folder.name))
        self.store = store_at(self.home.root)
        self.keys: dict[tuple[str, str], tuple[str, tuple[Any, ...]]] = {}
        self.votes: dict[str, dict[str, tuple[str, str]]] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.engine.dispose()
            self.folder.cleanup()

    @rule(
        target=made,
        by=st.sampled_from(PEOPLE),
        key=st.sampled_from(("k1", "k2", "k3")),
        picture=st.sampled_from(PICTURES),
        label=st.sampled_from(LABELS),
    )
    def submit(self, by: str, key: str, picture: bytes, label: str) -> str:
        asked = (picture, label)
        known = self.keys.get((person(by), key))
        correction = Correction(image=picture, label=label, by=by, role="predict", source="test", client_key=key)
        if known is not None and known[1] != asked:
            try:
                self.store.submit(correction)
            except UsageError:
                return known[0]
            raise AssertionError("a key was used for two things")
        item = self.store.submit(correction)
        assert known is None or item.id == known[0]
        self.keys[person(by), key] = item.id, asked
        self.votes.setdefault(item.id, {})
        return item.id

    @rule(item=made, by=st.sampled_from(PEOPLE), verdict=st.sampled_from(("accept", "reject")))
    def review(self, item: str, by: str, verdict: Any) -> None:
        before = self.store.item(item)
        assert before is not None
        try:
            after = self.store.adjudicate(item, verdict, by, "review")
        except GateRefused:
            assert person(by) == person(before.by) or before.state in ("accepted", "rejected")
            assert self.store.item(item) == before
            return
        assert person(by) != person(before.by)
        if after != before and after.state == "accepted":
            agreeing = {event.by for event in self.store.history(item) if event.verdict == "accept"}
            assert len({person(name) for name in agreeing} - {person(before.by)}) >= 2

    @rule(item=consumes(made), verdict=st.sampled_from(("accept", "reject")))
    def decide(self, item: str, verdict: Any) -> None:
        after = self.store.adjudicate(item, verdict, "zoe", "senior")
        assert after.state == {"accept": "accepted", "reject": "rejected"}[verdict]
        assert self.store.adjudicate(item, verdict, "zoe", "senior") == after

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        items = self.store.items()
        assert sorted(item.id for item in items) == sorted(found for found, _ in self.keys.values())
        for item in items:
            history = self.store.history(item.id)
            assert history[0].action == "submitted" and history[-1].state == item.state
            assert [event.number for event in history] == sorted(event.number for event in history)

    @invariant()
    def a_picture_has_one_accepted_class(self) -> None:
        accepted: dict[str, set[str]] = {}
        for item in self.store.items(state="accepted"):
            accepted.setdefault(item.pixels, set()).add(item.label)
        assert all(len(labels) == 1 for labels in accepted.values())

    @invariant()
    def the_ledger_has_every_decision_once(self) -> None:
        told = [record.content["decided"] for record in open_ledger(self.home, None).records(kind="feedback")]
        events = [event for item in self.store.items() for event in self.store.history(item.id)]
        decisions = sorted(events, key=lambda event: event.number)
        assert told == [event.time for event in decisions if event.action != "submitted"]


Feedback.TestCase.settings = settings(
    max_examples=5, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
TestFeedback = Feedback.TestCase


def submitted(store: Any, by: str, label: str = "lymphocyte", number: int = 1, key: str = "") -> Item:
    said = {"image": tiny(number), "label": label, "by": by, "role": "predict", "source": "test"}
    return store.submit(Correction(**said, client_key=f"{by}-{label}-{number}{key}"))


def test_two_reviewers_beside_the_corrector(store: Any) -> None:
    item = submitted(store, "ann")
    assert store.adjudicate(item.id, "accept", "bob", "review").state == "pending"
    assert store.adjudicate(item.id, "accept", "BOB", "review").state == "pending"
    assert store.adjudicate(item.id, "accept", "cat", "review").state == "accepted"


def test_reviewers_who_disagree_leave_it_to_a_senior(store: Any) -> None:
    item = submitted(store, "ann")
    store.adjudicate(item.id, "accept", "bob", "review")
    disputed = store.adjudicate(item.id, "reject", "cat", "review")
    assert (disputed.state, disputed.reason) == ("disputed", "bob would accept it, cat would not")
    assert store.adjudicate(item.id, "accept", "dan", "review").state == "disputed"
    assert store.adjudicate(item.id, "accept", "cat", "review").state == "accepted"


def test_a_senior_may_reverse(store: Any) -> None:
    item = submitted(store, "ann")
    for verdict, state in (("accept", "accepted"), ("reject", "rejected"), ("accept", "accepted")):
        assert store.adjudicate(item.id, verdict, "eve", "senior").state == state


def test_two_classes_for_one_picture(store: Any) -> None:
    first, second = submitted(store, "ann"), submitted(store, "bob", "monocyte")
    assert {store.item(first.id).state, second.state} == {"disputed"}
    for reviewer in ("cat", "dan"):
        store.adjudicate(second.id, "accept", reviewer, "review")
    assert store.item(second.id).state == "accepted"
    assert (store.item(first.id).state, store.history(first.id)[-1].action) == ("rejected", "superseded")
    third = submitted(store, "fay")
    assert third.state == "disputed"
    for reviewer in ("cat", "dan", "gus"):
        assert store.adjudicate(third.id, "accept", reviewer, "review").state == "disputed"
    assert store.adjudicate(third.id, "accept", "eve", "senior").state == "accepted"
    assert store.item(second.id).state == "rejected"


def test_whoever_corrects_again_withdraws_what_they_said(store: Any) -> None:
    first, second = submitted(store, "ann"), submitted(store, "ann", "monocyte")
    assert (store.item(first.id).state, second.state) == ("rejected", "pending")
    assert "corrected it again" in store.item(first.id).reason


def test_what_was_said_can_be_taken_back_until_somebody_voted(store: Any) -> None:
    item = submitted(store, "ann", "monocyte")
    assert store.take_back(item.id, "bob") is None and store.take_back("nothing", "ann") is None
    taken = [store.take_back(item.id, by) for by in ("ann", "Ann ")]
    assert [(one.state, one.reason) for one in taken] == [("rejected", "ann took it back")] * 2
    assert [line.action for line in store.history(item.id)] == ["submitted", "superseded"], "once"
    again = submitted(store, "ann", "monocyte", key="again")
    assert again.state == "pending"
    store.adjudicate(again.id, "reject", "bob", "review")
    with pytest.raises(GateRefused, match="voted"):
        store.take_back(again.id, "ann")
    store.adjudicate(again.id, "reject", "eve", "senior")
    with pytest.raises(GateRefused, match="rejected already"):
        store.take_back(again.id, "ann")
