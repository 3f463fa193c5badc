"""A verdict goes into the history; where it raises or clears an alarm, the ledger and the team hear of it."""

from typing import TYPE_CHECKING

from hematovision.home import Home
from hematovision.ledger import open_ledger
from hematovision.monitoring.alarm import alarm_facts, record_changes, run_command
from hematovision.monitoring.history import Check, DriftHistory, KeptCheck, open_history
from hematovision.monitoring.settings import DriftSettings
from hematovision.registry.baselines import Baseline
from hematovision.registry.versions import client_of
from hematovision.registry.watching import Monitored
from hematovision.registry.webhooks import tell_tag_set

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG, BASELINE = "drift", "drift baseline"


def keep_check(home: Home, database: str | None, monitored: Monitored, settings: DriftSettings) -> Monitored:
    """Add a verdict to the history, and put a change of state on record; durable when it returns.

    The ledger has the change even where a kill came between: the next check writes what is missing. Telling a command
    and webhooks comes last and may fail; what failed is in `untold`.

    Args:
        database: the setting `records.database`.
    """
    history = open_history(home, database)
    kept = history.keep(_check(monitored))
    record_changes(home, history, open_ledger(home, database))
    untold = _tell(home, history, kept, settings) if kept.changed else []
    said = {"check": kept.id, "state": kept.state, "since": kept.since, "changed": kept.changed, "untold": untold}
    return monitored.model_copy(update=said)


def with_state(home: Home, database: str | None, monitored: Monitored) -> Monitored:
    """A verdict that is not recorded, with the state that stands."""
    known = open_history(home, database).state(monitored.version, monitored.site)
    return monitored if known is None else monitored.model_copy(update={"state": known.state, "since": known.since})


def record_baseline(home: Home, database: str | None, baseline: Baseline) -> None:
    """Put on record that somebody took a site's cells for ordinary: from now on its alarms mean something else."""
    of_a_folder = baseline.model.startswith("folder/")
    subject = f"model-digest:{baseline.model_digest}" if of_a_folder else f"model:{baseline.model}"
    content = {"what": BASELINE, **baseline.model_dump(mode="json", exclude={"by", "model_digest"})}
    open_ledger(home, database).append("alarm", subject, content, actor=baseline.by, unique=f"baseline:{baseline.id}")


def _check(monitored: Monitored) -> Check:
    verdict = monitored.verdict
    return Check(
        model=monitored.version,
        model_digest=monitored.model_digest,
        site=monitored.site,
        source=monitored.data,
        baseline=monitored.baseline,
        n=verdict.n,
        n_reference=verdict.n_reference,
        drift=verdict.drift,
        signals=verdict.signals,
        rates=monitored.rates,
        accuracy=monitored.accuracy,
        report=monitored.report,
    )


def _tell(home: Home, history: DriftHistory, check: KeptCheck, settings: DriftSettings) -> list[str]:
    """Run the command and set the version's tag, of which MLflow's webhooks tell; gives what failed, in words."""
    facts = {**alarm_facts(home, check), "report": check.report}
    failed = [
        run_command(settings.on_alarm, facts, seconds=settings.on_alarm_seconds) if settings.on_alarm else None,
        None if check.model.startswith("folder/") else _tag(home, history, check.model),
    ]
    return [words for words in failed if words]


def _tag(home: Home, history: DriftHistory, model: str) -> str | None:
    from mlflow.exceptions import MlflowException

    name, _, version = model.rpartition("/")
    value = _standing(history.standing(model))
    try:
        client_of(home).set_model_version_tag(name, version, TAG, value)
        tell_tag_set(home, name, version, TAG, value)
    except MlflowException as error:
        return f"the tag {TAG!r} of {model}: {error.message}"
    return None


def _standing(checks: "Sequence[KeptCheck]") -> str:
    """What the tag says: where an alarm stands."""
    raised = sorted(check.site or "everywhere" for check in checks if check.state == "raised")
    return f"alarm: {', '.join(raised)}" if raised else "no alarm"
