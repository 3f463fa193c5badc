"""A site's own reference: what its cells, and a model's answers to them, look like when somebody says all is well."""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ConfigDict

from hematovision.errors import GateRefused, HematoVisionError
from hematovision.home import Home
from hematovision.monitoring.history import Reviewed
from hematovision.monitoring.reference import Reference, build_reference
from hematovision.monitoring.settings import DriftSettings
from hematovision.registry.served_window import ServedWindow
from hematovision.registry.watching import Watched

CURRENT, REFERENCE = "current.json", "reference"


class Baseline(BaseModel):
    """A reference of a site, for one version of a model.

    Attributes:
        model: NAME/VERSION. n: its cells, answered from `first` to `last`.
        alarms: signals in which they differ from the model's own reference; what is usual at a site need not be right.
        accuracy: among those of them that people decided about, or None.
        by: who took it for ordinary.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    id: str
    model: str
    model_digest: str
    site: str
    n: int
    first: str
    last: str
    alarms: list[str]
    accuracy: Reviewed | None
    by: str
    made: str


def new_baseline(
    model: str,
    digest: str,
    site: str,
    window: ServedWindow,
    cells: int,
    alarms: Sequence[str],
    accuracy: Reviewed | None,
    by: str,
) -> Baseline:
    """The description of a baseline that is to be kept."""
    facts = window.facts
    return Baseline(
        id=uuid4().hex,
        model=model,
        model_digest=digest,
        site=site,
        n=cells,
        first=str(facts.first),
        last=str(facts.last),
        alarms=list(alarms),
        accuracy=accuracy,
        by=by,
        made=datetime.now(UTC).isoformat(timespec="microseconds"),
    )


def site_reference(window: ServedWindow, watched: Watched, settings: DriftSettings, *, seed: int) -> Reference:
    """The reference that a site's predictions make.

    Cells of one slide share a look, and so do cells of one day where slides are not known: the thresholds come from
    windows drawn slide by slide, or day by day.

    Raises:
        GateRefused: too few of the pictures could be read.
    """
    places, classes = watched.positions, watched.reference.classes
    if len(places) < settings.minimum_baseline:
        raise GateRefused(
            f"{len(places)} cells are too few for a baseline: {settings.minimum_baseline} are asked for "
            "(monitoring.minimum_baseline)."
        )
    rows = window.predictions.iloc[places]
    days = rows["time"].str.slice(0, 10)
    return build_reference(
        watched.embeddings,
        watched.observed[watched.reference.statistic_names],
        window.probabilities(classes)[places].astype("float32"),
        classes,
        settings=settings,
        seed=seed,
        groups=list(rows["slide"].fillna(days)),
        doubts=window.doubts.iloc[places].reset_index(drop=True),
    )


def keep_baseline(home: Home, baseline: Baseline, reference: Reference) -> Path:
    """Put a baseline in force in place of an earlier one, which stays on disk; all of it or nothing.

    Returns:
        Its folder.
    """
    place = _place(home, baseline.model, baseline.site)
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as staging:
        reference.save(Path(staging) / REFERENCE)
        folder = Path(shutil.copytree(Path(staging) / REFERENCE, place / baseline.id))
        current = Path(staging) / CURRENT
        current.write_text(baseline.model_dump_json(indent=2) + "\n", encoding="utf-8")
        current.replace(place / CURRENT)
    return folder


def find_baseline(home: Home, model: str, digest: str, site: str | None) -> tuple[Baseline, Reference] | None:
    """The baseline in force for a model and site, or None.

    Raises:
        HematoVisionError: it was made with other files of the same version.
    """
    current = _place(home, model, site) / CURRENT if site is not None else None
    if current is None or not current.is_file():
        return None
    baseline = Baseline.model_validate_json(current.read_text(encoding="utf-8"))
    if (baseline.model, baseline.model_digest, baseline.site) != (model, digest, site):
        raise HematoVisionError(f"{current} is not of {model} at {site}: remove it, and make the baseline again.")
    return baseline, Reference.load(current.parent / baseline.id)


def drop_baseline(home: Home, model: str, site: str) -> bool:
    """Go back to the model's reference; whether there was a baseline. Its files stay."""
    current = _place(home, model, site) / CURRENT
    there = current.is_file()
    current.unlink(missing_ok=True)
    return there


def _place(home: Home, model: str, site: str) -> Path:
    """A folder for a model and site; sites are free text."""
    return home.baselines / model / hashlib.sha256(site.encode()).hexdigest()[:16]
