"""The policy: one file that ships, laid over by a user's, strict about what it does not know."""

from pathlib import Path

import pytest

from hematovision.errors import UsageError
from hematovision.promotion.policy import load_policy


def test_a_users_file_is_laid_over_the_one_that_ships(tmp_path: Path) -> None:
    path = tmp_path / "hospital.yaml"
    path.write_text("floors: {accuracy: {value: 0.97}}\n")
    policy, shipped = load_policy(path), load_policy()
    assert policy.floors.accuracy.value == 0.97
    assert policy.floors.accuracy.end == shipped.floors.accuracy.end
    assert policy.against_champion == shipped.against_champion
    assert policy.digest != shipped.digest == load_policy().digest


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("floors: {acuracy: {value: 0.9}}", "floors.acuracy"),
        ("floors: {accuracy: {value: 90}}", "floors.accuracy.value"),
        ("against_champion: {accuracy: {margin: -0.1}}", "against_champion.accuracy.margin"),
        ("against_champion: {latency: {rounds: 0}}", "against_champion.latency.rounds"),
    ],
)
def test_a_key_that_is_unknown_or_out_of_range_is_named(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=named.replace(".", r"\.")):
        load_policy(path)


def test_a_file_that_is_not_there_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="No configuration at"):
        load_policy(Path("nowhere.yaml"))
