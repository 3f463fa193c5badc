"""Groups: the unit of a split, so that two pictures of one cell never stand on both sides of it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hematovision.data.manifest import INGESTED, check_columns
from hematovision.errors import HematoVisionError

_NAME_DIGITS = 12


def slide_of_site(site: str | None, slide: str) -> str:
    """How a group is named where sites may use the same slide names: `SITE/SLIDE`; the slide alone without a site."""
    return f"{site}/{slide_in_site(site, slide)}" if site else slide


def slide_in_site(site: str | None, slide: str) -> str:
    """What a site itself calls a slide: the name without `SITE/`."""
    return slide.removeprefix(f"{site}/") if site else slide


def assign_groups(manifest: pd.DataFrame, clusters: Sequence[int]) -> pd.DataFrame:
    """A copy of the manifest with `cluster` and `group`.

    `clusters` holds one number a row: rows of one near-duplicate cluster share it; a negative number is alone.
    A group is a connected component of the rows that share a source group, a cluster or their pixels. Names depend on
    the content only: a cluster is `near-` and a group `cell-` followed by the head of its smallest content hash, or
    the group is its smallest source group where the source knows one. A cluster of one row is ''.
    """
    check_columns(manifest, INGESTED)
    if len(clusters) != len(manifest):
        raise HematoVisionError(f"{len(clusters)} cluster numbers for {len(manifest)} rows of the manifest")
    numbers = pd.Series(np.asarray(clusters, dtype=np.int64), index=manifest.index)
    grouped = manifest.assign(cluster=_cluster_names(manifest["pixel_sha256"], numbers))
    return grouped.assign(group=_group_names(grouped, _components(grouped, numbers)))


def _cluster_names(hashes: pd.Series, numbers: pd.Series) -> pd.Series:
    smallest = hashes.groupby(numbers).transform("min")
    alone = (numbers < 0) | (numbers.groupby(numbers).transform("size") < 2)
    return ("near-" + smallest.str[:_NAME_DIGITS]).mask(alone, "").astype("str")


def _components(manifest: pd.DataFrame, numbers: pd.Series) -> pd.Series:
    """The number of the connected component of every row, from the bipartite graph of rows and the keys they share."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows: list[np.ndarray] = []
    keys: list[np.ndarray] = []
    nodes = len(manifest)
    shared = (manifest["source_group"].mask(manifest["source_group"] == ""), numbers.mask(numbers < 0))
    for column in (*shared, manifest["pixel_sha256"]):
        codes, values = pd.factorize(column)
        linked = np.flatnonzero(codes >= 0)
        rows.append(linked)
        keys.append(codes[linked] + nodes)
        nodes += len(values)
    ends = np.concatenate(rows), np.concatenate(keys)
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return pd.Series(component[: len(manifest)], index=manifest.index)


def _group_names(manifest: pd.DataFrame, component: pd.Series) -> pd.Series:
    named = manifest["source_group"].mask(manifest["source_group"] == "").groupby(component).transform("min")
    hashed = "cell-" + manifest["pixel_sha256"].groupby(component).transform("min").str[:_NAME_DIGITS]
    return named.where(named.notna(), hashed).astype("str")
