"""Who decides about a correction: two agreeing reviewers, or one senior; never the person who made it."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hematovision.errors import GateRefused
from hematovision.feedback.records import State, Verdict
from hematovision.feedback.settings import AdjudicationSettings


@dataclass(frozen=True)
class Vote:
    """One person's word, in the order it was given."""

    by: str
    role: str
    verdict: Verdict


@dataclass(frozen=True)
class Circumstances:
    """What else is known of an item.

    Attributes:
        suspected: why it was set aside, '' where it was not.
        contested: another person says the picture shows another class, and was not refused.
        overturns: another class was already accepted for the picture.
    """

    suspected: str = ""
    contested: bool = False
    overturns: bool = False


def person(name: str) -> str:
    """A name as it is compared: `Ann ` and `ann` are one person."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


def counted(votes: Iterable[Vote], corrector: str) -> list[Vote]:
    """The last vote of everybody but the corrector, in order."""
    last: dict[str, Vote] = {}
    for vote in votes:
        last.pop(person(vote.by), None)
        last[person(vote.by)] = vote
    return [vote for name, vote in last.items() if name != person(corrector)]


def standing(
    votes: Sequence[Vote], corrector: str, around: Circumstances, settings: AdjudicationSettings
) -> tuple[State, str]:
    """The state that follows from the votes, and why.

    The last senior's vote decides. Else `agreeing` reviewers decide where none says otherwise; to accept what is
    suspected, or what would overturn an accepted class, takes a senior.
    """
    valid = counted(votes, corrector)
    seniors = [vote for vote in valid if vote.role in settings.senior_roles]
    if seniors:
        return _decided(seniors[-1].verdict), f"{seniors[-1].by} ({seniors[-1].role})"
    reviewers = [vote for vote in valid if vote.role in settings.reviewer_roles]
    sides = {verdict: [vote.by for vote in reviewers if vote.verdict == verdict] for verdict in ("accept", "reject")}
    if all(sides.values()):
        return "disputed", f"{', '.join(sides['accept'])} would accept it, {', '.join(sides['reject'])} would not"
    if len(sides["reject"]) >= settings.agreeing:
        return "rejected", ", ".join(sides["reject"])
    enough = len(sides["accept"]) >= settings.agreeing
    if enough and not (around.suspected or around.overturns):
        return "accepted", ", ".join(sides["accept"])
    return _waiting(around)


def refuse_voter(by: str, role: str, corrector: str, state: State, settings: AdjudicationSettings) -> None:
    """Raise GateRefused where this person may not vote on an item, saying why."""
    if role not in (*settings.reviewer_roles, *settings.senior_roles):
        allowed = ", ".join((*settings.reviewer_roles, *settings.senior_roles))
        raise GateRefused(f"The role {role!r} may not adjudicate feedback; that takes one of {allowed}.")
    if person(by) == person(corrector):
        raise GateRefused(f"{by} made this correction: somebody else has to decide about it.")
    if state in ("accepted", "rejected") and role not in settings.senior_roles:
        raise GateRefused(
            f"This correction is {state} already; only {' or '.join(settings.senior_roles)} may reverse it."
        )


def _decided(verdict: Verdict) -> State:
    return "accepted" if verdict == "accept" else "rejected"


def _waiting(around: Circumstances) -> tuple[State, str]:
    if around.suspected:
        return "quarantined", around.suspected
    if around.overturns:
        return "disputed", "another class was accepted for this picture; a senior has to decide"
    if around.contested:
        return "disputed", "somebody else says this picture shows another class"
    return "pending", ""
