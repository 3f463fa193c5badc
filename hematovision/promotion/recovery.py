"""What a killed process left half done: completed or undone by the next start of any command."""

from collections.abc import Callable, Iterator, Mapping

from hematovision.errors import HematoVisionError
from hematovision.home import Home
from hematovision.promotion.champion import settle
from hematovision.promotion.policy import PromotionPolicy
from hematovision.promotion.review import open_review
from hematovision.promotion.verdict import outcome_word, show_verdict
from hematovision.registry.unfinished import Work, abandoned
from hematovision.registry.versions import RegisteredVersion, find_version


def recover(home: Home, *, database: str | None) -> Iterator[str]:
    """Settle everything that nobody works on any more; says in a sentence what became of each.

    What cannot be settled, because a store was altered say, is told once and left to people.

    Args:
        database: the setting `records.database`, for moves whose mark names none.
    """
    try:
        for move in settle(home, database=database):
            yield f"a {move.kind} was interrupted and is complete now: {move.name}/{move.after} is champion."
    except HematoVisionError as error:
        yield str(error)
    for work in abandoned(home):
        try:
            yield _SETTLED[work.what](home, work)
        except HematoVisionError as error:
            named = f"{work.name}/{work.version}" if work.version else work.name
            yield f"a {work.what} on {named} was interrupted and could not be completed: {error}"


def _version(home: Home, work: Work) -> RegisteredVersion:
    return find_version(home, f"models:/{work.name}/{work.version}")


def _settle_registration(home: Home, work: Work) -> str:
    from hematovision.registry.publication import settle_registration

    return settle_registration(home, work)


def _settle_verdict(home: Home, work: Work) -> str:
    version = _version(home, work)
    shown = show_verdict(home, version, database=work.database)
    now = f"the one on record is {outcome_word(shown.passed)}" if shown else "none is on record, judge it again"
    return f"a verdict on {version.label} was interrupted; {now}."


def _settle_decision(home: Home, work: Work) -> str:
    policy = PromotionPolicy.model_validate(work.policy)
    standing = open_review(_version(home, work), policy, work.database).show()
    return f"a decision on {standing.model} was interrupted; {len(standing.decisions)} count, as the ledger says."


_SETTLED: Mapping[str, Callable[[Home, Work], str]] = {
    "registration": _settle_registration,
    "verdict": _settle_verdict,
    "decision": _settle_decision,
}
