"""One champion at every instant, moved only by what the policy asks for."""

import pytest

from hematovision.errors import GateRefused, UsageError
from hematovision.promotion.champion import champion, restore
from hematovision.promotion.moves import read_history
from hematovision.registry.catalogue import delete_alias, set_alias
from hematovision.registry.versions import CHAMPION, client_of
from tests.promotion.paper_registry import NAME, Laboratory


def test_nothing_serves_before_two_people_have_agreed(laboratory: Laboratory) -> None:
    version = laboratory.register().version
    with pytest.raises(GateRefused, match="needs an approval by a pathologist; 2 approvals"):
        laboratory.promote(version)
    laboratory.decide("Carla", "approve", version)
    with pytest.raises(GateRefused, match="needs an approval by a pathologist"):
        laboratory.promote(version)
    assert laboratory.alias is None
    laboratory.decide("Ben", "approve", version)
    moved = laboratory.promote(version)
    assert laboratory.alias == version == champion(laboratory.home, NAME)
    assert moved.move.evidence["decisions"] == [one.number for one in laboratory.standing(version).decisions]


def test_a_challenger_takes_over_and_a_rollback_brings_the_former_back(laboratory: Laboratory) -> None:
    first = laboratory.register().version
    laboratory.approve(first)
    laboratory.promote(first)
    second = laboratory.register(champion=first).version
    laboratory.approve(second)
    laboratory.promote(second)
    assert laboratory.alias == second
    assert laboratory.standing(first).state == "former champion"
    moved = laboratory.roll_back("Ben", to=first)
    assert laboratory.alias == first == champion(laboratory.home, NAME)
    assert moved.move.actor == "user:ben" and moved.move.before == second
    with pytest.raises(GateRefused, match="no former champion"):
        laboratory.roll_back("Ben", to=first)


def test_a_version_taken_back_needs_new_approvals(laboratory: Laboratory) -> None:
    versions = []
    for _ in range(2):
        versions.append(laboratory.register(champion=versions[-1] if versions else None).version)
        laboratory.approve(versions[-1])
        laboratory.promote(versions[-1])
    laboratory.roll_back("Carla", to=versions[0])
    with pytest.raises(GateRefused, match="needs an approval by a pathologist"):
        laboratory.promote(versions[1])
    assert [one.why for one in laboratory.standing(versions[1]).discounted] == [
        f"the version was taken back since, by record {read_history(laboratory.ledger, NAME).taken_back[versions[1]]}"
    ] * 2
    laboratory.approve(versions[1])
    laboratory.promote(versions[1])
    assert laboratory.alias == versions[1]


def test_a_verdict_against_an_earlier_champion_is_not_enough(laboratory: Laboratory) -> None:
    first, second, third = (laboratory.register().version for _ in range(3))
    laboratory.approve(first)
    laboratory.promote(first)
    laboratory.approve(second)
    with pytest.raises(GateRefused, match="a new verdict: it was compared with no champion"):
        laboratory.promote(second)
    laboratory.judge(second, champion=first)
    with pytest.raises(GateRefused, match="approval"):
        laboratory.promote(second)
    laboratory.approve(second)
    laboratory.promote(second)
    assert laboratory.alias == second and third


@pytest.mark.parametrize("by_hand", ["2", None])
def test_an_alias_moved_by_hand_stops_everything_until_it_is_put_back(
    laboratory: Laboratory, by_hand: str | None
) -> None:
    first = laboratory.register().version
    second = laboratory.register(champion=first).version
    for version in (first, second):
        laboratory.approve(version)
    laboratory.promote(first)
    if by_hand is None:
        delete_alias(laboratory.home, NAME, CHAMPION)
    else:
        set_alias(laboratory.home, NAME, CHAMPION, by_hand)
    for act in (lambda: champion(laboratory.home, NAME), lambda: laboratory.promote(second)):
        with pytest.raises(GateRefused, match="ledger says version 1.*promote --restore") as refusal:
            act()
        assert refusal.value.exit_code == 3
    with pytest.raises(GateRefused, match="moved it by other means"):
        laboratory.roll_back("Ben", to=first)
    alarms = list(laboratory.ledger.records(kind="alarm"))
    assert [alarm.content["found"] for alarm in alarms] == [by_hand], "told once, however often somebody tries"
    assert restore(laboratory.home, NAME) == first == laboratory.alias
    laboratory.promote(second)
    assert laboratory.alias == second


def test_an_alias_set_by_hand_before_any_promotion_is_refused(laboratory: Laboratory) -> None:
    version = laboratory.register().version
    laboratory.approve(version)
    set_alias(laboratory.home, NAME, CHAMPION, version)
    with pytest.raises(GateRefused, match="the ledger says none"):
        laboratory.promote(version)
    assert restore(laboratory.home, NAME) is None and laboratory.alias is None
    laboratory.promote(version)
    assert laboratory.alias == version


def test_other_bytes_than_were_approved_are_not_promoted(laboratory: Laboratory) -> None:
    version = laboratory.register()
    laboratory.approve(version.version)
    weights = laboratory.home.root / "paper" / version.version / "artifacts" / "package" / "model.safetensors"
    weights.write_text("other weights")
    with pytest.raises(Exception, match="not the file that was registered"):
        laboratory.promote(version.version)
    assert laboratory.alias is None
    assert read_history(laboratory.ledger, NAME).begun == 0


def test_the_champion_is_not_promoted_again(laboratory: Laboratory) -> None:
    version = laboratory.register().version
    laboratory.approve(version)
    laboratory.promote(version)
    with pytest.raises(UsageError, match="is the champion"):
        laboratory.promote(version)


def test_the_page_of_a_version_tells_who_serves(laboratory: Laboratory) -> None:
    first = laboratory.register().version
    second = laboratory.register(champion=first).version
    for version in (first, second):
        laboratory.approve(version)
        laboratory.promote(version)
    tags = [client_of(laboratory.home).get_model_version(NAME, version).tags["standing"] for version in (first, second)]
    assert tags == ["former champion", "champion"]
