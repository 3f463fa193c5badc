"""The one version that serves: promotion, rollback, and what a killed process left half done.

A move is an intent in the ledger, then the alias in the registry (one row, replaced in one transaction), then an end in
the ledger. Whoever comes next after a kill finds an intent without an end: where the alias has moved the move is
completed, where it has not it is undone. So there is one champion at every instant, the old or the new.
"""

from dataclasses import dataclass
from typing import Any

from hematovision.errors import GateRefused, UsageError
from hematovision.home import Home
from hematovision.ledger import Ledger, Record, open_ledger
from hematovision.promotion.decisions import Decision, SignedDecision
from hematovision.promotion.moves import History, Move, begin, end, planned, read_history
from hematovision.promotion.policy import PromotionPolicy
from hematovision.promotion.reviewed import ReviewedVersion, read_reviewed
from hematovision.promotion.standing import record_decision, standing_of
from hematovision.promotion.turn import own_turn
from hematovision.registry.catalogue import delete_alias, read_aliases, set_alias, set_tags
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.model_card import renew_cards
from hematovision.registry.package import package_digest, verify_package
from hematovision.registry.versions import CHAMPION, RegisteredVersion, find_version, requester
from hematovision.registry.webhooks import tell_alias_set


@dataclass(frozen=True)
class Moved:
    """A finished change of champion; `record` is the number of its last record."""

    move: Move
    record: int


@dataclass(frozen=True)
class Champion:
    """The version that serves, and the digest of the files that were promoted as it."""

    version: str
    model_digest: str | None


def champion(home: Home, name: str, *, database: str | None = None) -> str | None:
    """The version that registry and ledger agree serves; None where none was ever promoted.

    While another process moves it, it is the old or the new one.

    Raises:
        GateRefused: they disagree: the alias was moved by other means.
    """
    found = agreed_champion(home, name, open_ledger(home, database))
    return found.version if found else None


def agreed_champion(home: Home, name: str, ledger: Ledger) -> Champion | None:
    """As `champion`, by a ledger that is open: for those who ask again and again."""
    history = read_history(ledger, name)
    try:
        version = _agreed(home, name, history)
    except GateRefused:  # a move may have begun between the two readings; then a second look finds it
        history = read_history(ledger, name)
        version = _agreed(home, name, history)
    return None if version is None else Champion(version, history.digest_of(version))


def _agreed(home: Home, name: str, history: History) -> str | None:
    alias = read_aliases(home, name).get(CHAMPION)
    moving = {history.unfinished.before, history.unfinished.after} if history.unfinished else set()
    if alias == history.champion or alias in moving:
        return alias
    raise GateRefused(_disagreement(name, alias, history))


def _disagreement(name: str, alias: str | None, history: History) -> str:
    recorded = f"version {history.champion}" if history.champion else "none"
    since = f", by record {history.last.number} of {history.last.time[:19]} UTC" if history.last else ""
    found = f"version {alias}" if alias else "nothing"
    return (
        f"The alias `{CHAMPION}` of {name} points at {found}, but the ledger says {recorded}{since}: somebody moved it "
        "by other means than `hematovision promote`. Look at it with `hematovision audit verify`, then put it back "
        "with `hematovision promote --restore` and have the other version reviewed if it is wanted."
    )


def settle(home: Home, *, database: str | None = None) -> list[Move]:
    """Complete or undo what a killed process left half done; called at the start of every command.

    Args:
        database: the setting `records.database`, where the process that was killed had none of its own.

    Returns:
        The moves that were completed.

    Raises:
        HematoVisionError: the moves are settled, but a card could not be written anew.
    """
    if not home.champion_moving.exists():
        return []
    database = home.champion_moving.read_text() or database
    with own_turn(home, database):
        ledger = open_ledger(home, database)
        moves = [record for kind in ("promotion", "rollback") for record in ledger.records(kind=kind)]
        names = sorted({str(record.content["name"]) for record in moves})
        completed = [moved.move for name in names if (moved := _settle(home, ledger, name)) is not None]
        try:
            for name in names:
                _renew_cards(home, database, read_history(ledger, name).last)
        finally:
            home.champion_moving.unlink(missing_ok=True)
    return completed


def _settle(home: Home, ledger: Ledger, name: str) -> Moved | None:
    """In one's own turn: end a model's unfinished move as its alias says; a third version there is left to people."""
    move = read_history(ledger, name).unfinished
    if move is None:
        return None
    alias = read_aliases(home, name).get(CHAMPION)
    if alias == move.after:
        return _finish(home, ledger, move)
    if alias == move.before:
        end(ledger, move, "undone")
    return None


def promote(home: Home, version: RegisteredVersion, policy: PromotionPolicy, *, database: str | None = None) -> Moved:
    """Make a version the champion, if the policy has everything it asks for.

    Raises:
        GateRefused: something is missing, the bytes are not those that were approved, or alias and ledger disagree.
        UsageError: it is the champion.
    """
    with own_turn(home, database):
        ledger = open_ledger(home, database)
        history = _settled(home, ledger, version.name)
        if version.version == history.champion:
            raise UsageError(f"{version.label} is the champion.")
        reviewed = read_reviewed(version, database)
        standing = standing_of(ledger, reviewed, policy, history)
        if standing.missing:
            raise GateRefused(f"{version.label} is not promoted; it needs {'; '.join(standing.missing)}.")
        _refuse_other_bytes(home, reviewed)
        evidence = _evidence(reviewed, standing.decisions, standing.overridden)
        move = planned(
            "promotion", version.name, history.champion, version.version, actor=requester(), evidence=evidence
        )
        return _carry_out(home, database, move, history)


def rollback(
    home: Home, signed: SignedDecision, name: str, policy: PromotionPolicy, *, database: str | None = None
) -> Moved:
    """Make the former champion the champion again, on somebody's signed decision.

    Raises:
        GateRefused: the decision does not count, is not about the former champion, or alias and ledger disagree.
    """
    with own_turn(home, database):
        ledger = open_ledger(home, database)
        history = _settled(home, ledger, name)
        target = former_champion(home, name, history)
        reviewed = read_reviewed(target, database)
        if signed.content.action != "rollback" or signed.content.model != reviewed.model:
            raise GateRefused(f"The decision is to {signed.content.action} {signed.content.model}, not to roll back.")
        _refuse_other_bytes(home, reviewed)
        decision = record_decision(ledger, signed, reviewed, policy, history)
        evidence = _evidence(reviewed, [decision], [])
        actor = signed.content.login
        move = planned("rollback", name, history.champion, target.version, actor=actor, evidence=evidence)
        return _carry_out(home, database, move, history)


def former_champion(home: Home, name: str, history: History) -> RegisteredVersion:
    """What a rollback returns to.

    Raises:
        GateRefused: there was no champion before the present one.
    """
    if history.former is None:
        raise GateRefused(f"{name} has no former champion to go back to.")
    return find_version(home, f"models:/{name}/{history.former}")


def restore(home: Home, name: str, *, database: str | None = None) -> str | None:
    """Put the alias back to where the ledger says it belongs; what was found is recorded first.

    Returns:
        The version that serves again.
    """
    with own_turn(home, database):
        ledger = open_ledger(home, database)
        history = read_history(ledger, name)
        found = read_aliases(home, name).get(CHAMPION)
        if found != history.champion:
            _record_alarm(ledger, name, found, history)
            if history.champion is None:
                delete_alias(home, name, CHAMPION)
            else:
                set_alias(home, name, CHAMPION, history.champion)
                tell_alias_set(home, name, CHAMPION, history.champion)
        _settle(home, ledger, name)
    return history.champion


def _settled(home: Home, ledger: Ledger, name: str) -> History:
    """In one's own turn: the history with no move unfinished, agreed on by the registry."""
    _settle(home, ledger, name)
    history = read_history(ledger, name)
    try:
        _agreed(home, name, history)
    except GateRefused:
        _record_alarm(ledger, name, read_aliases(home, name).get(CHAMPION), history)
        raise
    return history


def _record_alarm(ledger: Ledger, name: str, found: str | None, history: History) -> None:
    content = {"what": f"the alias {CHAMPION} was moved by other means", "found": found, "recorded": history.champion}
    unique = f"alias:{name}:{history.begun}:{found}"
    ledger.append("alarm", f"model:{name}/{found or history.champion}", content, actor=requester(), unique=unique)


def _evidence(reviewed: ReviewedVersion, decisions: list[Decision], overrides: list[str]) -> dict[str, Any]:
    return {
        "model_digest": reviewed.model_digest,
        "verdict_digest": reviewed.verdict_digest,
        "decisions": [decision.number for decision in decisions],
        "overridden": overrides,
    }


def _refuse_other_bytes(home: Home, reviewed: ReviewedVersion) -> None:
    package = fetch_model(home, f"models:/{reviewed.model}") / "artifacts" / "package"
    verify_package(package)
    if package_digest(package) != reviewed.model_digest:
        raise GateRefused(f"The files of {reviewed.model} are not those that were judged and approved.")


def _carry_out(home: Home, database: str | None, move: Move, history: History) -> Moved:
    ledger = open_ledger(home, database)
    home.champion_moving.write_text(database or "")
    begin(ledger, move, history)
    set_alias(home, move.name, CHAMPION, move.after)
    moved = _finish(home, ledger, move)
    try:
        _renew_cards(home, database, read_history(ledger, move.name).last)
    finally:
        home.champion_moving.unlink(missing_ok=True)
    return moved


def _renew_cards(home: Home, database: str | None, last: Record | None) -> None:
    """The cards of both versions that the last finished move was about."""
    if last is not None:
        versions = (last.content["before"], last.content["after"])
        renew_cards(home, database, [f"{last.content['name']}/{version}" for version in versions if version])


def _finish(home: Home, ledger: Ledger, move: Move) -> Moved:
    """All that follows once the alias has moved; may be done again."""
    set_tags(home, move.name, move.after, {"standing": "champion"})
    if move.before is not None:
        was = "former champion" if move.kind == "promotion" else "taken back"
        set_tags(home, move.name, move.before, {"standing": was})
    record = end(ledger, move, "done")
    tell_alias_set(home, move.name, CHAMPION, move.after)
    return Moved(move, record.number)
