"""`monitor`, and `drift history|show|plot|baseline`: one check, and what checks found over time."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hematovision.cli.drift_tables import (
    show_baseline,
    show_check,
    show_checks,
    show_drift,
    show_page,
    show_removed,
    show_states,
)
from hematovision.cli.output import command

if TYPE_CHECKING:
    from hematovision.monitoring.history import DriftHistory, KeptCheck


def window_parameters(
    data: str | None, predictions: bool, site: str | None, since: str | None, last: int | None, record: bool
) -> dict[str, Any]:
    """What the monitoring pipeline is told to look at.

    Raises:
        UsageError: it is not clear which images are meant.
    """
    from hematovision.errors import UsageError
    from hematovision.registry.served_window import WindowRequest, time_of

    if predictions == (data is not None):
        raise UsageError("Say what to look at: either --data PATH or --predictions.")
    if not predictions and (since or last):
        raise UsageError("--since and --last choose among predictions: give --predictions with them.")
    if since and last:
        raise UsageError("Give either --since or --last.")
    if since:
        time_of(since)
    kind = "predictions" if predictions else "folder"
    window = WindowRequest(kind=kind, site=site, since=since, last=last, record=record)
    return {"path": str(Path(data).expanduser().resolve()) if data else None, "window": window}


def monitor(
    model: str,
    data: str | None,
    config: Path | None,
    *,
    predictions: bool,
    site: str | None,
    since: str | None,
    last: int | None,
    record: bool,
    as_json: bool,
) -> None:
    """Compare new images, or what was answered, with a model's reference."""
    with command(as_json) as output:
        parameters = window_parameters(data, predictions, site, since, last, record)
        from hematovision.config import load_config
        from pipelines.execution import execute
        from pipelines.monitoring import monitoring_pipeline

        finished = execute(monitoring_pipeline, config=load_config(config), model=model, **parameters)
        result = finished.artifact("watch", "monitored").model_dump()
        output.result({**result.pop("verdict"), **result}, show_drift)


def history(model: str | None, site: str | None, last: int, config: Path | None, *, as_json: bool) -> None:
    """Show checks."""
    with command(as_json) as output:
        checks = _opened(config).checks(model=model, site=site, limit=last)
        output.result({"checks": [_brief(check) for check in checks]}, show_checks)


def show(check: str | None, config: Path | None, *, as_json: bool) -> None:
    """Show one check, or how every model and site stands."""
    with command(as_json) as output:
        known = _opened(config)
        if check is None:
            output.result({"states": [_brief(one) for one in known.latest()]}, show_states)
        else:
            output.result({"check": known.check(check).model_dump(mode="json")}, show_check)


def plot(
    model: str | None, site: str | None, last: int, html: Path | None, config: Path | None, *, as_json: bool
) -> None:
    """Draw the history as a page."""
    with command(as_json) as output:
        from hematovision.errors import GateRefused
        from hematovision.home import locate_home
        from hematovision.monitoring.timeline import render_timeline

        checks = _opened(config).checks(model=model, site=site, limit=last)
        if not checks:
            raise GateRefused("Nothing is in the drift history yet: `hematovision monitor` makes a check.")
        page = html or locate_home().runs / "drift-history.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(render_timeline(checks[::-1]), encoding="utf-8")
        output.result({"page": str(page), "checks": len(checks)}, show_page)


def baseline(
    model: str,
    site: str,
    since: str | None,
    last: int | None,
    config: Path | None,
    *,
    accept_drift: bool,
    remove: bool,
    as_json: bool,
) -> None:
    """Make a reference of a site, or go back to the model's."""
    with command(as_json) as output:
        from hematovision.config import load_config
        from hematovision.home import locate_home

        settings, home = load_config(config), locate_home()
        if remove:
            from hematovision.registry.baselines import drop_baseline
            from hematovision.registry.resolution import resolve_version

            version = resolve_version(home, model).reference
            removed = drop_baseline(home, version, site)
            output.result({"model": version, "site": site, "removed": removed}, show_removed)
            return
        from hematovision.progress import progress_bar
        from hematovision.registry.monitor import take_baseline

        with progress_bar("Looking") as progress:
            made = take_baseline(
                home, settings, model, site, since=since, last=last, accept_drift=accept_drift, progress=progress
            )
        output.result({"baseline": made.model_dump(mode="json")}, show_baseline)


def _opened(config: Path | None) -> "DriftHistory":
    from hematovision.config import load_config
    from hematovision.home import locate_home
    from hematovision.monitoring.history import open_history

    return open_history(locate_home(), load_config(config).records.database)


def _brief(check: "KeptCheck") -> dict[str, Any]:
    """A check without the figures of each signal."""
    return {**check.model_dump(mode="json", exclude={"signals"}), "signals": check.alarms}
