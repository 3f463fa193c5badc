"""Where a model fails: accuracy of parts of the cells, and which parts are worse than the rest beyond chance."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from hematovision.data.manifest import ATTRIBUTE, attribute_columns
from hematovision.errors import HematoVisionError
from hematovision.evaluation.intervals import Interval, effective_size, proportion
from hematovision.evaluation.settings import SliceSettings

BoolArray = NDArray[np.bool_]
GROUP, SIZE = "group", "size"
QUALITY = ("brightness", "contrast", "sharpness", SIZE)
_QUARTERS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Slice(_Part):
    """The cells that share one value.

    Attributes:
        kind: what they share: `group`, `brightness`, `nucleus_shape`, …
        value: the value they share, in words.
        p_value: chance of so many errors or more in it, were it no worse than the rest; `adjusted` for all slices.
        worse: whether `adjusted` lies below the error rate.
    """

    kind: str
    value: str
    n: int
    right: int
    accuracy: Interval
    p_value: float
    adjusted: float
    worse: bool


class Slices(_Part):
    """All slices of one set of predictions.

    Attributes:
        cells: which predictions: `golden set`, `out of fold`, `new data`.
        n, accuracy: of all cells together.
        tests: how many slices were tested, and p-values therefore corrected for.
        too_small: slices by kind that had too few cells to be scored.
        unstated: cells by attribute for which the source says nothing.
    """

    cells: str
    n: int
    accuracy: Interval
    confidence: float
    error_rate: float
    minimum_cells: int
    tests: int
    slices: list[Slice]
    too_small: dict[str, int]
    unstated: dict[str, int]

    @property
    def worse(self) -> list[Slice]:
        """The slices that are worse than the rest, the worst first."""
        return [part for part in self.slices if part.worse]


def slice_errors(
    rows: pd.DataFrame,
    correct: BoolArray,
    settings: SliceSettings,
    *,
    cells: str,
    groups: Sequence[str] | None,
    confidence: float,
) -> Slices:
    """Score every slice of N cells: those worse than the rest first, then the lowest accuracy.

    A slice is tested against all other cells by Fisher's exact test, one-sided. Where cells share slides or patients
    the counts are first divided by the design effect (Rao & Scott 1992, Biometrics 48), but not for slices that are
    such groups themselves. Holm's step-down correction (Holm 1979, Scandinavian Journal of Statistics 6) covers all
    slices, whichever way they overlap.

    Args:
        rows: N manifest rows; `source_group`, the measures of quality and the attributes are read, where there.
        correct: (N,) whether the model was right.
        cells: what these predictions are called.
        groups: N names of the unit cells share, or None for independent cells.
        confidence: coverage of the intervals.

    Raises:
        HematoVisionError: lengths that do not fit together, or no cell.
    """
    if not len(rows) == len(correct) > 0:
        raise HematoVisionError(f"{len(correct)} answers do not fit {len(rows)} rows")
    right = np.asarray(correct, dtype=np.float64)
    share = effective_size(right, groups, confidence=confidence) / len(right)
    parts = [part for part in _members(rows) if not part.member.all()]
    large = [part for part in parts if part.n >= settings.minimum_cells]
    scored = _scored(right, large, share, settings, confidence)
    return Slices(
        cells=cells,
        n=len(rows),
        accuracy=proportion(right.sum(), len(right), share=share, confidence=confidence),
        confidence=confidence,
        error_rate=settings.error_rate,
        minimum_cells=settings.minimum_cells,
        tests=len(scored),
        slices=sorted(scored, key=_order),
        too_small=dict(Counter(part.kind for part in parts if part.n < settings.minimum_cells)),
        unstated=_unstated(rows),
    )


@dataclass(frozen=True)
class _Members:
    """Which (N,) cells share a value of a kind."""

    kind: str
    value: str
    member: BoolArray

    @property
    def n(self) -> int:
        return int(self.member.sum())


def _scored(
    right: NDArray[np.float64], parts: Sequence[_Members], share: float, settings: SliceSettings, confidence: float
) -> list[Slice]:
    """The slices, tested against all other cells; `share` is how much a cell counts where cells share groups."""
    shares = [1.0 if part.kind == GROUP else share for part in parts]
    chances = _chances(right, [part.member for part in parts], np.array(shares))
    return [
        Slice(
            kind=part.kind,
            value=part.value,
            n=part.n,
            right=int(right[part.member].sum()),
            accuracy=proportion(right[part.member].sum(), part.n, share=own, confidence=confidence),
            p_value=float(chance),
            adjusted=adjusted,
            worse=adjusted < settings.error_rate,
        )
        for part, own, chance, adjusted in zip(parts, shares, chances, _holm(chances), strict=True)
    ]


def _order(part: Slice) -> tuple[bool, float, float, str, str]:
    return not part.worse, part.accuracy.value, part.p_value, part.kind, part.value


def _members(rows: pd.DataFrame) -> Iterator[_Members]:
    """Every slice there is."""
    words: dict[str, pd.Series] = {}
    if "source_group" in rows:
        words[GROUP] = rows["source_group"]
    words |= {column.removeprefix(ATTRIBUTE): rows[column] for column in attribute_columns(rows)}
    for kind, values in words.items():
        for value in sorted(set(values) - {""}):
            yield _Members(kind, str(value), values.to_numpy(dtype=object) == value)
    for kind in QUALITY:
        if (measured := _measure(rows, kind)) is not None:
            yield from _quarters(kind, measured)


def _measure(rows: pd.DataFrame, kind: str) -> NDArray[np.float64] | None:
    if kind == SIZE:
        sides = [rows[side].to_numpy(dtype=np.float64) for side in ("width", "height") if side in rows]
        return np.sqrt(sides[0] * sides[1]) if len(sides) == 2 else None
    return rows[kind].to_numpy(dtype=np.float64) if kind in rows else None


def _quarters(kind: str, measured: NDArray[np.float64]) -> Iterator[_Members]:
    """Quarters by value; ties stay together, so that there may be fewer, and none where all values are one."""
    edges = np.unique(np.quantile(measured, [0.25, 0.5, 0.75]))
    quarter = np.searchsorted(edges, measured, side="left")
    names = (
        _QUARTERS if len(edges) == 3 else [f"part {place + 1} of {len(edges) + 1}" for place in range(len(edges) + 1)]
    )
    for place, name in enumerate(names):
        member = quarter == place
        if member.any():
            inside = measured[member]
            yield _Members(kind, f"{name}, {inside.min():.4g} to {inside.max():.4g}", member)


def _chances(
    right: NDArray[np.float64], members: Sequence[BoolArray], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One-sided p-values of Fisher's exact test: so many errors or more among the members; counts times `shares`."""
    from scipy.stats import hypergeom

    if not members:
        return np.empty(0)
    inside = np.rint(np.array([member.sum() for member in members]) * shares)
    errors = np.rint((1 - right).sum() * shares)
    within = np.floor(np.array([(1 - right[member]).sum() for member in members]) * shares + 1e-9)
    within = np.minimum(within, np.minimum(inside, errors))
    chances: NDArray[np.float64] = np.clip(
        hypergeom.sf(within - 1, np.rint(len(right) * shares), errors, inside), 0.0, 1.0
    )
    return chances


def _holm(chances: NDArray[np.float64]) -> list[float]:
    if not len(chances):
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(value) for value in multipletests(chances, method="holm")[1]]


def _unstated(rows: pd.DataFrame) -> dict[str, int]:
    empty = {column.removeprefix(ATTRIBUTE): int((rows[column] == "").sum()) for column in attribute_columns(rows)}
    return {name: count for name, count in empty.items() if count}
