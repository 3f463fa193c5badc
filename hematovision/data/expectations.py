"""What is expected of a manifest, in Great Expectations' terms; the words a person reads stand beside each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from hematovision.data.manifest import DEVELOPMENT, GOLDEN, GROUPED, HELD_OUT, SPLIT_COLUMNS
from hematovision.data.settings import Range, Severity, ValidationSettings

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation


def with_counts(manifest: pd.DataFrame) -> pd.DataFrame:
    """The manifest by group and path, with the counts that the expectations between rows look at, one column each."""
    table = manifest.sort_values([column for column in ("group", "path") if column in manifest.columns])
    if set(GROUPED) - set(table.columns):
        return table
    alone = pd.Series([f"row {row}" for row in range(len(table))], index=table.index)
    units = {
        "picture": table["pixel_sha256"],
        "cluster": table["cluster"].where(table["cluster"] != "", alone),
        "group": table["group"],
        "label": table["label"],
    }
    pairs = [("label", "picture"), ("label", "cluster"), ("group", "picture"), ("group", "cluster")]
    if not set(SPLIT_COLUMNS) - set(table.columns):
        pairs += [(side, unit) for side in SPLIT_COLUMNS for unit in ("group", "cluster")] + [("split", "label")]
    distinct = {
        f"{what}s_per_{unit}": table[what]
        .groupby(units[unit])
        .transform("nunique")
        .clip(lower=1)  # null: told elsewhere
        for what, unit in pairs
    }
    return table.assign(
        images_of_label=table.groupby("label", dropna=False)["path"].transform("size"),
        copies_of_file=table.groupby("sha256")["path"].transform("size"),
        copies_of_picture=table.groupby("pixel_sha256")["path"].transform("size"),
        **distinct,
    )


def expectations(table: pd.DataFrame, settings: ValidationSettings) -> list[Expectation]:
    """The suite for a manifest as `with_counts` gives it; splits are looked at where the manifest has them.

    Where columns are missing there is nothing more to say than that.
    """
    required = [*GROUPED, *(SPLIT_COLUMNS if "split" in table.columns else ())]
    columns = _columns(required)
    if set(required) - set(table.columns):
        return [columns]
    suite = [columns, *_labels(settings), *_measures(settings), *_copies(settings)]
    return [*suite, *_splits()] if "split" in table.columns else suite


def _stated(severity: Severity, says: str) -> dict[str, Any]:
    from great_expectations.expectations.metadata_types import FailureSeverity

    return {"severity": FailureSeverity(severity), "description": says}


def _columns(required: list[str]) -> Expectation:
    from great_expectations.expectations import ExpectTableColumnsToMatchSet

    return ExpectTableColumnsToMatchSet(
        column_set=required, exact_match=False, **_stated("critical", "the manifest has all its columns")
    )


def _between(column: str, low: float | None, high: float | None, severity: Severity, says: str) -> Expectation:
    from great_expectations.expectations import ExpectColumnValuesToBeBetween

    return ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high, **_stated(severity, says))


def _one(column: str, severity: Severity, says: str) -> Expectation:
    return _between(column, 1, 1, severity, says)


def _labels(settings: ValidationSettings) -> Iterator[Expectation]:
    import great_expectations.expectations as gxe

    yield gxe.ExpectColumnValuesToNotBeNull(column="label", **_stated("critical", "every image has a label"))
    yield gxe.ExpectColumnValuesToMatchRegex(column="label", regex=r"\S", **_stated("critical", "no label is empty"))
    yield gxe.ExpectColumnUniqueValueCountToBeBetween(
        column="label",
        min_value=settings.min_classes,
        **_stated("critical", f"there are at least {settings.min_classes} classes"),
    )
    least = settings.min_images_per_class
    yield _between("images_of_label", least, None, "critical", f"every class has at least {least} images")
    for column in ("path", "sha256", "pixel_sha256", "group"):
        yield gxe.ExpectColumnValuesToNotBeNull(column=column, **_stated("critical", f"every image has a {column}"))
    yield gxe.ExpectColumnValuesToBeUnique(column="path", **_stated("critical", "every path stands once"))


def _measures(settings: ValidationSettings) -> Iterator[Expectation]:
    side = settings.side
    for column in ("width", "height"):
        yield _between(column, side.low, side.high, "critical", f"the {column} is {side.low:g} to {side.high:g} pixels")
    for column in ("brightness", "contrast", "sharpness"):
        usual: Range = getattr(settings, column)
        yield _between(column, usual.low, usual.high, "warning", f"the {column} is {usual.low:g} to {usual.high:g}")


def _copies(settings: ValidationSettings) -> Iterator[Expectation]:
    yield _one("copies_of_file", "warning", "no file stands twice in the data")
    yield _one("copies_of_picture", "warning", "no picture stands twice in the data")
    yield _one("labels_per_picture", "critical", "the same picture has one label")
    yield _one("labels_per_cluster", settings.conflicting_clusters, "near-duplicates of one cell have one label")
    yield _one("groups_per_picture", "critical", "the same picture stands in one group")
    yield _one("groups_per_cluster", "critical", "near-duplicates of one cell stand in one group")


def _splits() -> Iterator[Expectation]:
    import great_expectations.expectations as gxe

    yield gxe.ExpectColumnValuesToBeInSet(
        column="split",
        value_set=[DEVELOPMENT, GOLDEN, HELD_OUT],
        **_stated("critical", "every image is for development, held out, or in the golden set"),
    )
    yield _one("splits_per_group", "critical", "no group stands in two of development, held-out part and golden set")
    yield _one("folds_per_group", "critical", "no group stands in two folds")
    yield _one(
        "splits_per_cluster", "critical", "no near-duplicates stand in two of development, held-out part and golden set"
    )
    yield _one("folds_per_cluster", "critical", "no near-duplicates stand in two folds")
    yield _between("splits_per_label", 2, 3, "critical", "every class stands in development and in the golden set")
