"""From a source to manifest rows: each image decoded, hashed, measured and stored, or quarantined with the reason."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pandas as pd

from hematovision.data.decoding import Pixels, decode, pixel_sha256
from hematovision.data.manifest import ATTRIBUTE, INGESTED
from hematovision.data.quality import measure
from hematovision.data.sources.base import Item, Source
from hematovision.data.sources.tree import is_image_name, walk
from hematovision.data.store import ImageStore
from hematovision.errors import UnreadableImage, UsageError

S = TypeVar("S")
T = TypeVar("T")

_AHEAD = 4
"""Items in flight per worker: enough to keep all busy, few enough that memory stays flat."""


@dataclass(frozen=True)
class Limits:
    """What an image must keep to; both in pixels."""

    max_pixels: int
    min_side: int


@dataclass(frozen=True)
class Reading(Generic[S]):
    """What came out of a source."""

    manifest: pd.DataFrame
    """The accepted images by path, with the manifest's `INGESTED` columns and one an attribute the source gives."""
    quarantine: pd.DataFrame
    """The images left out by path, with the columns path and reason."""
    signatures: list[S]
    """What `describe` returned, one a manifest row, in the order of the rows."""
    ignored: Mapping[str, int]
    """Files of the source that are no images, counted by sort."""


@dataclass(frozen=True)
class _Accepted(Generic[S]):
    row: Mapping[str, str | int | float]
    signature: S


@dataclass(frozen=True)
class _Refused:
    path: str
    reason: str


def read_source(
    source: Source,
    store: ImageStore,
    *,
    limits: Limits,
    workers: int,
    describe: Callable[[Pixels], S],
    progress: Callable[[int, int], None] | None = None,
) -> Reading[S]:
    """Read every image of a source into the store and a manifest; what cannot be read is quarantined, the rest goes on.

    `describe` is called once per accepted image with its H×W×3 RGB uint8 pixels, from several threads. The result is
    the same for any number of `workers`; at most four images a worker are held in memory. An item without a label is
    quarantined, and of items with one path all but the first are, or all where their labels differ.
    """
    outcomes: list[_Accepted[S] | _Refused] = []
    for outcome in _in_order(lambda item: _read(item, store, limits, describe), source.items(), workers):
        outcomes.append(outcome)
        if progress is not None:
            progress(len(outcomes), len(source))
    store.sync()
    return _reading(_without_repeats(outcomes), source.ignored)


def image_files(paths: Sequence[Path]) -> list[Path]:
    """The image files (by suffix) among files and folders, folders searched to any depth, sorted and without repeats.

    A file named outright is taken whatever its suffix. UsageError where a path is not there or no image is found.
    """
    found: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder")
        found.update((file for file in walk(path) if _is_image_file(file)) if path.is_dir() else [path])
    if not found:
        raise UsageError(f"no image found in {', '.join(map(str, paths)) or 'an empty list of paths'}")
    return sorted(found)


def _is_image_file(path: Path) -> bool:
    return is_image_name(path) and not path.is_dir()


def _in_order(task: Callable[[Item], T], items: Iterator[Item], workers: int) -> Iterator[T]:
    """The results of a task in the order of the items, computed by threads a few items ahead of the reader."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
    waiting: deque[Future[T]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(task, item))
            if len(waiting) >= _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _read(item: Item, store: ImageStore, limits: Limits, describe: Callable[[Pixels], S]) -> _Accepted[S] | _Refused:
    try:
        data = item.load()
        image = decode(data, max_pixels=limits.max_pixels, min_side=limits.min_side)
        if not item.label:
            raise UnreadableImage("the image has no label")
        signature = describe(image)
        sha256 = store.put(data, durable=False)
    except UnreadableImage as error:
        return _Refused(item.path, str(error))
    row = {
        "path": item.path,
        "label": item.label,
        "sha256": sha256,
        "pixel_sha256": pixel_sha256(image),
        "source_group": item.group,
        "source_split": item.split,
        **asdict(measure(image)),
        **{f"{ATTRIBUTE}{name}": value for name, value in item.attributes.items()},
    }
    return _Accepted(row, signature)


def _without_repeats(outcomes: Sequence[_Accepted[S] | _Refused]) -> list[_Accepted[S] | _Refused]:
    """A path names one image: further ones are refused, and all of them where they have different labels."""
    labels: dict[str, set[str]] = {}
    for outcome in outcomes:
        if isinstance(outcome, _Accepted):
            labels.setdefault(str(outcome.row["path"]), set()).add(str(outcome.row["label"]))
    seen: Counter[str] = Counter()
    checked: list[_Accepted[S] | _Refused] = []
    for outcome in outcomes:
        if isinstance(outcome, _Accepted):
            path = str(outcome.row["path"])
            seen[path] += 1
            if len(labels[path]) > 1:
                outcome = _Refused(path, f"labelled more than once, as {', '.join(sorted(labels[path]))}")
            elif seen[path] > 1:
                outcome = _Refused(path, "named more than once; the first is used")
        checked.append(outcome)
    return checked


def _reading(outcomes: Sequence[_Accepted[S] | _Refused], ignored: Mapping[str, int]) -> Reading[S]:
    accepted = [outcome for outcome in outcomes if isinstance(outcome, _Accepted)]
    accepted.sort(key=lambda outcome: str(outcome.row["path"]))
    refused = sorted((outcome.path, outcome.reason) for outcome in outcomes if isinstance(outcome, _Refused))
    further = dict.fromkeys(column for outcome in accepted for column in outcome.row if column.startswith(ATTRIBUTE))
    columns = {**INGESTED, **dict.fromkeys(sorted(further), "str")}
    manifest = pd.DataFrame([outcome.row for outcome in accepted], columns=list(columns))
    manifest = manifest.fillna(dict.fromkeys(further, "")).astype(columns)
    quarantine = pd.DataFrame(refused, columns=["path", "reason"]).astype("str")
    return Reading(manifest, quarantine, [outcome.signature for outcome in accepted], dict(ignored))
