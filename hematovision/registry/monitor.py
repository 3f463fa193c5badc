"""One check from end to end: find the window, judge it, write the report, keep the verdict."""

from dataclasses import dataclass
from pathlib import Path

from hematovision.config import RunConfig
from hematovision.data.pictures import Picture, pictures_in
from hematovision.errors import GateRefused
from hematovision.home import Home
from hematovision.monitoring.history import Reviewed
from hematovision.progress import Progress
from hematovision.registry.baselines import Baseline, find_baseline, keep_baseline, new_baseline, site_reference
from hematovision.registry.drift_alarm import keep_check, record_baseline, with_state
from hematovision.registry.feedback_store import feedback_of
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.package import package_digest
from hematovision.registry.resolution import KnownVersion, resolve_version
from hematovision.registry.served_window import (
    ServedWindow,
    WindowRequest,
    reviewed_accuracy,
    served_window,
    time_of,
)
from hematovision.registry.versions import requester
from hematovision.registry.watching import Monitored, Subject, watch, write_monitoring


@dataclass(frozen=True)
class _Found:
    """What is to be judged; `data` says it in words or as a path."""

    data: str
    pictures: list[Picture]
    served: ServedWindow | None = None
    accuracy: Reviewed | None = None


def monitor(
    home: Home,
    config: RunConfig,
    model: str,
    path: str | None,
    window: WindowRequest,
    *,
    progress: Progress | None = None,
) -> Monitored:
    """Judge a folder, or a window of the service's predictions, against a model's reference.

    Args:
        model: as `--model` takes it. path: the folder, where that is what is asked for.

    Raises:
        UsageError: there is no such model or folder.
        GateRefused: nothing is there to be judged.
    """
    version = resolve_version(home, model)
    folder = fetch_model(home, version.uri)
    digest = package_digest(folder / "artifacts" / "package")
    baseline, reference = find_baseline(home, version.reference, digest, window.site) or (None, None)
    found = _found(home, config, version, path, window, after=baseline.last if baseline else None)
    watched = watch(
        folder,
        found.pictures,
        config.monitoring,
        seed=config.seed,
        site=window.site,
        served=found.served,
        reference=reference,
        progress=progress,
    )
    subject = Subject(
        model, version.reference, digest, found.data, window.site, baseline.id if baseline else None, found.accuracy
    )
    result = write_monitoring(
        home, watched, subject, shown=config.evaluation.mistakes_shown, workspace=config.monitoring.workspace
    )
    if window.record:
        return keep_check(home, config.records.database, result, config.monitoring)
    return with_state(home, config.records.database, result)


def take_baseline(
    home: Home,
    config: RunConfig,
    model: str,
    site: str,
    *,
    since: str | None,
    last: int | None,
    accept_drift: bool,
    progress: Progress | None = None,
) -> Baseline:
    """Make what a site's predictions look like its own reference; later windows of the site are held against it.

    It says what is usual there, not that the model is right there.

    Args:
        accept_drift: take it although these cells differ from the model's own reference.

    Raises:
        GateRefused: too few cells, or they differ and nobody accepted that.
    """
    version = resolve_version(home, model)
    folder = fetch_model(home, version.uri)
    window = WindowRequest(kind="predictions", site=site, since=since, last=last)
    most = config.monitoring.maximum_reference
    served, accuracy = _served(home, config, version, window, usual=most, most=most)
    watched = watch(
        folder, served.pictures, config.monitoring, seed=config.seed, site=site, served=served, progress=progress
    )
    reference = site_reference(served, watched, config.monitoring, seed=config.seed)
    alarms = [signal.name for signal in watched.verdict.ranked if signal.alarm]
    if alarms and not accept_drift:
        raise GateRefused(
            f"The cells of {site} differ from those {version.reference} learnt from ({', '.join(alarms)}). Look at the "
            "report of `hematovision monitor` and at corrections first; --accept-drift takes them for ordinary there."
        )
    digest = package_digest(folder / "artifacts" / "package")
    who = requester()
    baseline = new_baseline(version.reference, digest, site, served, len(reference), alarms, accuracy, who)
    keep_baseline(home, baseline, reference)
    record_baseline(home, config.records.database, baseline)
    return baseline


def _found(
    home: Home, config: RunConfig, version: KnownVersion, path: str | None, window: WindowRequest, after: str | None
) -> _Found:
    if window.kind == "folder":
        reading = config.reading
        pictures = pictures_in([Path(str(path))], voc_margin=reading.voc_margin, max_pixels=reading.max_pixels)
        return _Found(str(path), pictures)
    usual, most = config.monitoring.window, config.monitoring.maximum_window
    served, accuracy = _served(home, config, version, window, usual=usual, most=most, after=after)
    where, facts = f" at {window.site}" if window.site else "", served.facts
    words = f"predictions of {version.reference}{where}, {str(facts.first)[:16]} to {str(facts.last)[:16]} UTC"
    return _Found(words, served.pictures, served, accuracy)


def _served(
    home: Home,
    config: RunConfig,
    version: KnownVersion,
    window: WindowRequest,
    *,
    usual: int,
    most: int,
    after: str | None = None,
) -> tuple[ServedWindow, Reviewed | None]:
    """The predictions asked for, and how often people agreed with them; the `usual` latest where nothing is said."""
    store = feedback_of(home, config)
    served = served_window(
        store,
        version.reference,
        site=window.site,
        since=time_of(window.since) if window.since else None,
        last=window.last or (None if window.since else usual),
        most=most,
        seed=config.seed,
        after=after,
    )
    accepted = store.items(state="accepted")
    return served, reviewed_accuracy(served.found, accepted, confidence=config.evaluation.confidence)
