"""After every decision the model card and MLflow's description say what the ledger says."""

import logging

import pytest

from hematovision.errors import HematoVisionError
from hematovision.promotion import verdict
from hematovision.promotion.recovery import recover
from hematovision.registry.card_facts import CardFacts
from hematovision.registry.model_card import FACTS, FACTS_DIGEST, MARKDOWN, PAGE, facts_document
from hematovision.registry.versions import client_of, find_version
from tests.promotion.paper_registry import NAME, Laboratory
from tests.registry.test_model_card import drawn, facts  # noqa: F401 - fixtures


@pytest.fixture
def carded(laboratory: Laboratory, facts: CardFacts) -> Laboratory:  # noqa: F811
    """Three versions with the facts of a card; the second failed a gate."""
    for failed in ((), ("floor.accuracy",), ()):
        with_card(laboratory, facts, failed=failed)
    return laboratory


def with_card(laboratory: Laboratory, facts: CardFacts, failed: tuple[str, ...] = ()) -> None:  # noqa: F811
    """One more version with the facts of a card, judged."""
    document, digest = facts_document(facts)
    version = laboratory.register(failed=failed, judged=False)
    client_of(laboratory.home).log_text(version.run_id, document, FACTS)
    client_of(laboratory.home).set_model_version_tag(NAME, version.version, FACTS_DIGEST, digest)
    laboratory.judge(version.version, failed=failed)


def shown(laboratory: Laboratory, version: str) -> tuple[str, str, str]:
    """The description, the card as Markdown, the card as a page."""
    found = find_version(laboratory.home, f"models:/{NAME}/{version}")
    described = client_of(laboratory.home).get_model_version(NAME, version).description
    return described, str(found.document(MARKDOWN)), str(found.document(PAGE))


def everywhere(laboratory: Laboratory, version: str, *words: str) -> None:
    for place in shown(laboratory, version):
        for word in words:
            assert word in place, f"{word} is not in {place[:2000]}"


def test_a_verdict_is_on_the_card(carded: Laboratory) -> None:
    description, markdown, page = shown(carded, "2")
    assert "✗&nbsp;failed" in description and "floor.accuracy" in description
    assert "floor.accuracy: failed" in markdown and "floor.accuracy: failed" in page


def test_decisions_are_on_the_card_at_once(carded: Laboratory) -> None:
    carded.decide("Emil", "comment", "1", reason="Two blurred cells.")
    everywhere(carded, "1", "Emil", "comment", "Two blurred cells.")
    carded.decide("Ben", "approve", "1")
    everywhere(carded, "1", "Ben", "approve")
    assert "needs 1 approval by a pathologist or engineer" in shown(carded, "1")[0]
    carded.decide("Dora", "override", "2", gate="floor.accuracy", reason="The set is small.")
    everywhere(carded, "2", "Dora", "override", "The set is small.")
    carded.decide("Ben", "reject", "3", reason="Misses blasts.")
    everywhere(carded, "3", "reject", "Misses blasts.")
    assert "rejected" in shown(carded, "3")[0]


def test_a_promotion_and_a_rollback_are_on_both_cards(carded: Laboratory) -> None:
    carded.approve("1")
    carded.promote("1")
    assert "Aliases: champion" in shown(carded, "1")[1] and "champion" in shown(carded, "1")[0]
    carded.judge("3", champion="1")
    carded.approve("3")
    carded.promote("3")
    assert "former champion" in shown(carded, "1")[0] and "Aliases: champion" not in shown(carded, "1")[1]
    assert "@champion" in shown(carded, "3")[2]
    carded.roll_back("Dora", "1")
    assert "taken back" in shown(carded, "3")[0] and "@champion" not in shown(carded, "3")[2]
    everywhere(carded, "1", "rollback", "Dora")


def test_of_two_versions_only_one_card_says_challenger(laboratory: Laboratory, facts: CardFacts) -> None:  # noqa: F811
    with_card(laboratory, facts)
    assert "Aliases: challenger" in shown(laboratory, "1")[1]
    with_card(laboratory, facts)
    for place in shown(laboratory, "1"):
        assert "challenger" not in place
    assert "Aliases: challenger" in shown(laboratory, "2")[1]


def test_a_kill_before_the_former_challengers_card_is_made_good(
    laboratory: Laboratory,
    facts: CardFacts,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Cut(Exception):
        pass

    def cut(*_: object) -> None:
        raise Cut

    with_card(laboratory, facts)
    with monkeypatch.context() as patch:
        patch.setattr(verdict, "tell_alias_set", cut)
        with pytest.raises(Cut):
            with_card(laboratory, facts)
    assert "Aliases: challenger" in shown(laboratory, "1")[1], "left behind by the kill"
    assert "verdict on paper/2 was interrupted" in " ".join(recover(laboratory.home, database=None))
    assert "challenger" not in shown(laboratory, "1")[1] and "Aliases: challenger" in shown(laboratory, "2")[1]


def test_altered_facts_of_the_former_challenger_do_not_stop_the_verdict(
    laboratory: Laboratory,
    facts: CardFacts,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    with_card(laboratory, facts)
    client_of(laboratory.home).set_model_version_tag(NAME, "1", FACTS_DIGEST, "0" * 64)
    with caplog.at_level(logging.WARNING):
        with_card(laboratory, facts)
    assert "Aliases: challenger" in shown(laboratory, "2")[1]
    assert "paper/1 may still call it the challenger" in caplog.text


def test_altered_facts_do_not_undo_a_decision(carded: Laboratory) -> None:
    client_of(carded.home).set_model_version_tag(NAME, "1", FACTS_DIGEST, "0" * 64)
    with pytest.raises(HematoVisionError, match="recorded and stands, but the model card"):
        carded.decide("Ben", "approve", "1")
    assert [one.content.name for one in carded.standing("1").of("approve")] == ["Ben"]
