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
    from hematovision.feedback.store import open_feedback
    from hematovision.home import locate_home

    home = locate_home()
    items = open_feedback(home, config.records.database, home.images).items(state="accepted")
    count = sum(1 for item in items if since is None or datetime.fromisoformat(str(item.time)) > since)
    return Finding(count >= limit, f"{count} of {limit:g} corrections accepted since the last run")


def drift_alarm(config: Any, since: datetime | None) -> Finding:
    """Whether the newest alarm was raised, not cleared, and later than a schedule's last good run began."""
    from hematovision.home import locate_home
    from hematovision.ledger import open_ledger

    ledger = open_ledger(locate_home(), config.records.database)
    newest = max(ledger.records(kind="alarm"), key=lambda record: record.number, default=None)
    if newest is None:
        return Finding(False, "no drift alarm was ever raised")
    raised, told = newest.content.get("state") == "raised", f"{newest.subject} at {newest.time}"
    if not raised:
        return Finding(False, f"the last drift alarm was cleared: {told}")
    if since is not None and datetime.fromisoformat(newest.time) <= since:
        return Finding(False, f"the last drift alarm is older than the last run: {told}")
    return Finding(True, f"drift alarm: {told}")


def champion_older_than(config: Any, days: float, now: datetime) -> Finding:
    """Whether the version behind the alias `champion` was registered more than so many days ago."""
    from hematovision.home import locate_home
    from hematovision.registry.mlflow_registry import version_behind

    champion = version_behind(locate_home(), config.registry.model_name, "champion")
    if champion is None:
        return Finding(False, f"{config.registry.model_name} has no champion")
    age = (now - champion.created).total_seconds() / 86_400
    return Finding(age > days, f"champion version {champion.version} is {age:.1f} days old, limit {days:g}")
