"""The conditions a schedule may name, wired to the rooms that can answer them."""

from datetime import UTC, datetime
from typing import Any

from hematovision.scheduling.conditions import Finding, Questions


def questions(config: Any) -> Questions:
    """The answers to every condition a schedule can name."""
    return {
        "accepted_feedback": lambda limit, since: accepted_feedback(config, limit, since),
        "drift_alarm": lambda _, since: drift_alarm(config, since),
        "champion_older_than_days": lambda limit, _: champion_older_than(config, limit, datetime.now(UTC)),
    }


def accepted_feedback(config: Any, limit: float, since: datetime | None) -> Finding:
    """Whether enough corrections were accepted since a schedule's last good run began."""
    from hematovision.home import locate_home
    from hematovision.registry.feedback_store import feedback_of

    count = len(feedback_of(locate_home(), config).items(state="accepted", since=since))
    return Finding(count >= limit, f"{count} of {limit:g} corrections accepted {_since(since)}")


def _since(since: datetime | None) -> str:
    return "so far" if since is None else f"since {since.isoformat(timespec='seconds')}"


def drift_alarm(config: Any, since: datetime | None) -> Finding:
    """Whether a drift alarm stands that was raised later than a schedule's last good run began.

    Read from the ledger: the newest record of kind `alarm` with `what: drift` of each model and site. An alarm of a
    version that was champion and is no more asks nothing of anybody.
    """
    from hematovision.home import locate_home
    from hematovision.ledger import open_ledger
    from hematovision.promotion.moves import read_history

    ledger = open_ledger(locate_home(), config.records.database)
    newest: dict[tuple[str, str | None], Any] = {}
    for record in sorted(ledger.records(kind="alarm"), key=lambda one: one.number):
        if record.content.get("what") == "drift":
            newest[record.subject, record.content.get("site")] = record
    if not newest:
        return Finding(False, "no drift alarm was ever raised")
    name = config.registry.model_name
    moves = read_history(ledger, name)
    replaced = {f"model:{name}/{one}" for one in (*moves.champions, *moves.taken_back) if one != moves.champion}
    raised = [one for one in newest.values() if one.content.get("state") == "raised" and one.subject not in replaced]
    if not raised:
        last = max(newest.values(), key=lambda one: one.number)
        return Finding(False, f"none stands; the last: {_told(last)}")
    last = max(raised, key=lambda one: one.number)
    if since is not None and datetime.fromisoformat(last.time) <= since:
        return Finding(False, f"none since the last run; the last: {_told(last)}")
    return Finding(True, _told(last))


def _told(alarm: Any) -> str:
    site = alarm.content.get("site")
    where = f" at {site}" if site else ""
    return f"drift alarm {alarm.content.get('state')} for {alarm.subject}{where}, {alarm.time}"


def champion_older_than(config: Any, days: float, now: datetime) -> Finding:
    """Whether the champion that registry and ledger agree on was registered more than so many days ago."""
    from hematovision.home import locate_home
    from hematovision.promotion.champion import champion
    from hematovision.registry.versions import registered_at

    home, name = locate_home(), config.registry.model_name
    version = champion(home, name, database=config.records.database)
    if version is None:
        return Finding(False, f"{name} has no champion")
    age = (now - registered_at(home, name, version)).total_seconds() / 86_400
    return Finding(age > days, f"champion {name}/{version} is {age:.1f} days old, limit {days:g}")
