"""From a path to a grouped manifest: read, find duplicates, build groups, look for leakage."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hematovision.data.duplicates.search import cluster_duplicates, find_duplicates
from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.duplicates.signature import signature
from hematovision.data.groups import assign_groups
from hematovision.data.ingestion import Limits, read_source
from hematovision.data.leakage import Leakage, find_leakage
from hematovision.data.sources import open_source
from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused

Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
EXAMPLES = 1000


@dataclass(frozen=True)
class Prepared:
    """A data set as read.

    Attributes:
        manifest: grouped, not yet split. quarantine: columns path, reason.
        leakage: what stands on both sides of the splits the data came with.
    """

    manifest: pd.DataFrame
    quarantine: pd.DataFrame
    leakage: Leakage


def prepare(
    path: Path,
    store: ImageStore,
    *,
    limits: Limits,
    voc_margin: float,
    duplicates: DuplicateSettings,
    workers: int,
    bar: Bar,
) -> Prepared:
    """Read a data set into the store and group what belongs together.

    Raises:
        UsageError: nothing usable lies at the path.
        GateRefused: not one picture could be read.
    """
    source = open_source(path, voc_margin=voc_margin, max_pixels=limits.max_pixels)
    with bar("Reading images") as progress:
        reading = read_source(
            source,
            store,
            limits=limits,
            workers=workers,
            describe=lambda image: signature(image, duplicates),
            progress=progress,
        )
    if reading.manifest.empty:
        first = reading.quarantine.iloc[0] if len(reading.quarantine) else None
        named = f", the first: {first['path']}: {first['reason']}" if first is not None else ""
        raise GateRefused(f"Not one usable image in {path}: {len(reading.quarantine)} were quarantined{named}.")
    with bar("Finding near-duplicates") as progress:
        pairs = find_duplicates(reading.signatures, duplicates, workers=workers, progress=progress)
    manifest = assign_groups(reading.manifest, cluster_duplicates(len(reading.manifest), pairs))
    return Prepared(manifest, reading.quarantine, find_leakage(manifest, pairs, max_examples=EXAMPLES))
