"""Whether a drift alarm stands for a model, as the ledger has it."""

from hematovision.ledger import Ledger
from hematovision.serving.status_schemas import DriftSeen


def drift_seen(ledger: Ledger, model: str) -> list[DriftSeen]:
    """The newest drift alarm of a model at each site: alarms that stand first, then by site.

    Args:
        model: NAME/VERSION.
    """
    newest: dict[str | None, DriftSeen] = {}
    for record in ledger.records(kind="alarm", subject=f"model:{model}"):
        content = record.content
        if content.get("what") == "drift":
            about = {name: content[name] for name in ("state", "site", "signals", "n") if name in content}
            newest[content.get("site")] = DriftSeen.model_validate(about | {"since": record.time})
    return sorted(newest.values(), key=lambda seen: (seen.state != "raised", seen.site or ""))
