"""The reference: how the cells looked that the model learnt from, kept beside the model."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hematovision.errors import HematoVisionError, UsageError
from hematovision.monitoring.observations import (
    CONFIDENCE,
    DOUBTS,
    ENTROPY,
    PREDICTED_CLASS,
    component_names,
    observe,
)
from hematovision.monitoring.settings import DriftSettings

Array = NDArray[np.float32]

SCHEMA = 2
READABLE = (1, SCHEMA)
"""Schema 1 had no set size and no strangeness."""
TABLE, TENSORS, DESCRIPTION = "reference.parquet", "reference.safetensors", "reference.json"
_GROUP, _SITE = "group", "site"
_CELLS_PER_COMPONENT, _GROUPS_PER_COMPONENT = 20, 3
_ARRAYS = ("embeddings", "mean", "components", "scales")


@dataclass(frozen=True)
class Reference:
    """M cells to compare with, and the projection fitted on them.

    `observations` is (M, columns) as `observe` gives it, `groups` (M) the slide, patient or photograph of each cell,
    `embeddings` (M, D), `mean` (D,), `components` (K, D) and `scales` (K,) the principal components and their standard
    deviations, and `shown` how many of them are observed one by one. `sites` (M) is where each cell is from, '' where
    that is not known; empty where it is known of none.
    """

    classes: tuple[str, ...]
    observations: pd.DataFrame
    groups: tuple[str, ...]
    embeddings: Array
    mean: Array
    components: Array
    scales: Array
    shown: int
    sites: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Cells in the reference."""
        return len(self.observations)

    @property
    def statistic_names(self) -> list[str]:
        """The image statistics the reference was built with."""
        derived = {PREDICTED_CLASS, CONFIDENCE, ENTROPY, *DOUBTS, *component_names(self.shown)}
        return [name for name in self.observations.columns if name not in derived]

    @property
    def knows_doubts(self) -> bool:
        """Whether set size and strangeness of its cells were kept."""
        return set(DOUBTS) <= set(self.observations.columns)

    @property
    def trusted_components(self) -> int:
        """How many components the cells' spread is known in well enough to measure new cells by it.

        The components fit the reference's own cells better than any others, the more so the fewer cells and groups
        there are: measured by all of them, new cells of the same laboratory lie too far off.
        """
        limit = min(len(self) // _CELLS_PER_COMPONENT, len(set(self.groups)) // _GROUPS_PER_COMPONENT)
        return max(2, min(len(self.scales), limit))

    def only(self, kept: NDArray[np.bool_]) -> "Reference":
        """The cells where `kept` (M,) is True, in the same projection."""
        names = {name: np.array(getattr(self, name)) for name in ("groups", "sites")}
        return replace(
            self,
            observations=self.observations[kept].reset_index(drop=True),
            embeddings=self.embeddings[kept],
            groups=tuple(names["groups"][kept]),
            sites=tuple(names["sites"][kept]) if self.sites else (),
        )

    def of_site(self, site: str | None, minimum: int) -> "Reference":
        """What a site's cells are to be compared with.

        Its own cells where the reference has at least `minimum` of them. A site it does not know is none of those it
        names: the cells of no named site then, where they are enough. Else, and without a site, all cells.
        """
        if site is None or not self.sites:
            return self
        known = np.array(self.sites)
        own = known == (site if site in self.sites else "")
        return self.only(own) if own.sum() >= minimum else self

    def project(self, embeddings: Array) -> Array:
        """Principal components (N, K) of embeddings (N, D); raises UsageError when D is not the reference's."""
        if embeddings.ndim != 2 or embeddings.shape[1] != len(self.mean):
            raise UsageError(
                f"Embeddings of shape {embeddings.shape} cannot be compared with a reference of {len(self.mean)}"
                " dimensions; use the backbone the reference was built with."
            )
        return np.asarray((embeddings - self.mean) @ self.components.T, dtype=np.float32)

    def observe(
        self,
        embeddings: Array,
        image_statistics: pd.DataFrame,
        probabilities: Array,
        doubts: pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """The observation table of new images, with the reference's columns in its order; see `observe`.

        Raises:
            UsageError: the reference has columns that are not given, or the inputs disagree.
        """
        if self.knows_doubts and doubts is None:
            raise UsageError("The reference has set size and strangeness; give those of the new images too.")
        absent = [name for name in self.statistic_names if name not in image_statistics.columns]
        if absent:
            raise UsageError(f"The image statistics lack {', '.join(absent)}, which the reference was built with.")
        return observe(
            image_statistics[self.statistic_names],
            self.project(embeddings),
            probabilities,
            classes=self.classes,
            components=self.shown,
            doubts=doubts if self.knows_doubts else None,
        )

    def save(self, folder: Path) -> None:
        """Write `reference.parquet`, `reference.safetensors` and `reference.json`; none of them can run code."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        named = {_GROUP: list(self.groups)} | ({_SITE: list(self.sites)} if self.sites else {})
        self.observations.assign(**named).to_parquet(folder / TABLE, index=False)
        save_file({name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}, folder / TENSORS)
        description = {"schema": SCHEMA, "n": len(self), "classes": list(self.classes), "shown": self.shown}
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> "Reference":
        """Read what `save` wrote. Raises UsageError when a file is missing, HematoVisionError when they disagree."""
        from safetensors.numpy import load_file

        for name in (TABLE, TENSORS, DESCRIPTION):
            if not (folder / name).is_file():
                raise UsageError(f"{folder / name} is missing; the model has no complete monitoring reference.")
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if description["schema"] not in READABLE:
            raise HematoVisionError(f"{folder / DESCRIPTION} has schema {description['schema']}; this reads {SCHEMA}.")
        table = pd.read_parquet(folder / TABLE)
        arrays = load_file(folder / TENSORS)
        if not len(table) == len(arrays["embeddings"]) == description["n"]:
            raise HematoVisionError(f"The files in {folder} do not belong together; register the model again.")
        return Reference(
            classes=tuple(description["classes"]),
            observations=table.drop(columns=[_GROUP, _SITE], errors="ignore"),
            groups=tuple(table[_GROUP]),
            sites=tuple(table[_SITE]) if _SITE in table else (),
            shown=description["shown"],
            **{name: arrays[name] for name in _ARRAYS},
        )


def build_reference(
    embeddings: Array,
    image_statistics: pd.DataFrame,
    probabilities: Array,
    classes: Sequence[str],
    *,
    settings: DriftSettings,
    seed: int,
    groups: Sequence[str] | None = None,
    sites: Sequence[str] | None = None,
    doubts: pd.DataFrame | None = None,
) -> Reference:
    """Build the reference of N cells.

    `embeddings` (N, D) come from the frozen backbone, so that cells the model trained on look no different from new
    ones; `image_statistics` (N, S) are numeric; `probabilities` (N, C) must be out of fold, in the order of `classes`.
    `groups` names each cell's slide, patient or photograph; without it every cell stands alone. `sites` says where each
    cell is from, '' where that is not known. `doubts` (N rows) are
    set size and strangeness, judged by folds that did not hold the cell; without them those two are never compared.
    Raises UsageError when there are too few cells or the inputs disagree.
    """
    if len(embeddings) < settings.minimum_reference:
        raise UsageError(
            f"A reference of {len(embeddings)} cells is too small to judge drift;"
            f" give {settings.minimum_reference} or more."
        )
    names = [str(number) for number in range(len(embeddings))] if groups is None else [str(group) for group in groups]
    kept = _bounded(names, settings.maximum_reference, np.random.default_rng(seed))
    embeddings = np.ascontiguousarray(embeddings[kept], dtype=np.float32)
    mean, components, scales = principal_components(embeddings, settings)
    projections = np.asarray((embeddings - mean) @ components.T, dtype=np.float32)
    shown = min(settings.shown_components, len(scales))
    return Reference(
        classes=tuple(str(name) for name in classes),
        observations=observe(
            image_statistics.iloc[kept],
            projections,
            probabilities[kept],
            classes=classes,
            components=shown,
            doubts=None if doubts is None else doubts.iloc[kept],
        ),
        groups=tuple(names[index] for index in kept),
        embeddings=embeddings,
        mean=mean,
        components=components,
        scales=scales,
        shown=shown,
        sites=tuple(str(sites[index]) for index in kept) if sites is not None and any(sites) else (),
    )


def _bounded(groups: Sequence[str], limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of randomly chosen whole groups, at most `limit` of them (of the first group if it alone is larger)."""
    labels = np.asarray(groups)
    if len(labels) <= limit:
        return np.arange(len(labels))
    kept = np.empty(0, dtype=np.int64)
    for group in rng.permutation(np.unique(labels)):
        rows = np.flatnonzero(labels == group)
        if len(kept) + len(rows) <= limit:
            kept = np.concatenate([kept, rows])
    return np.sort(kept if len(kept) else rng.permutation(len(labels))[:limit])


def principal_components(embeddings: Array, settings: DriftSettings) -> tuple[Array, Array, Array]:
    """Mean (D,), components (K, D) and their standard deviations (K,) of embeddings (N, D)."""
    from sklearn.decomposition import PCA

    # A quarter of the cells: narrower directions of a small sample are mostly chance.
    count = max(2, min(settings.whitened_components, len(embeddings) // 4, embeddings.shape[1]))
    fitted = PCA(n_components=count, svd_solver="full").fit(embeddings)
    scales = np.sqrt(np.maximum(fitted.explained_variance_, np.finfo(np.float32).eps))
    mean, components = np.asarray(fitted.mean_, np.float32), np.asarray(fitted.components_, np.float32)
    return mean, components, scales.astype(np.float32)
