"""Whether a drift alarm stands for a model, as its monitoring has it."""

from hematovision.monitoring.history import DriftHistory
from hematovision.serving.status_schemas import DriftSeen


def drift_seen(history: DriftHistory, model: str) -> list[DriftSeen]:
    """The newest check of a model at each site: alarms that stand first, then by site.

    Args:
        model: NAME/VERSION.
    """
    seen = [
        DriftSeen(state=check.state, site=check.site, since=check.since, at=check.time, signals=check.alarms, n=check.n)
        for check in history.latest()
        if check.model == model
    ]
    return sorted(seen, key=lambda one: (one.state != "raised", one.site or ""))
