"""The data gate: a Great Expectations suite run on the manifest, its verdict, and its Data Docs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from hematovision.data.datadocs import make_self_contained
from hematovision.data.expectations import expectations, with_counts
from hematovision.data.settings import Severity, ValidationSettings
from hematovision.errors import GateRefused, HematoVisionError

if TYPE_CHECKING:
    import great_expectations as gx
    from great_expectations.checkpoint import CheckpointResult
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context import FileDataContext

_TOLD = 3


class FailedExpectation(BaseModel):
    """An expectation that did not hold: what was expected, of how many rows it is untrue, and the first of them."""

    model_config = ConfigDict(frozen=True)

    expectation: str
    column: str | None
    severity: Severity
    message: str
    rows: list[str]
    count: int


class ValidationRecord(BaseModel):
    """The verdict on a manifest. `success` means that no critical expectation failed; warnings do not count."""

    model_config = ConfigDict(frozen=True)

    success: bool
    failed: list[FailedExpectation]
    statistics: dict[str, int]


class ValidationResult(ValidationRecord):
    """A verdict with its page of Great Expectations' Data Docs."""

    docs_path: str
    docs_html: str = Field(repr=False)

    @property
    def record(self) -> ValidationRecord:
        """The verdict without its page."""
        return ValidationRecord(success=self.success, failed=self.failed, statistics=self.statistics)


def validate_manifest(
    manifest: pd.DataFrame, *, settings: ValidationSettings, folder: Path, suite: str
) -> ValidationResult:
    """Run the suite named `suite` on a grouped manifest, and on its splits where it has them.

    `folder` keeps the Great Expectations project (suites, results, Data Docs) from one run to the next. Columns that
    are missing are failures, not errors.
    """
    _before_great_expectations()
    import great_expectations as gx

    table = with_counts(manifest)
    context = _context(folder)
    batch = _whole_table(context)
    expected = context.suites.add_or_update(gx.ExpectationSuite(name=suite, expectations=expectations(table, settings)))
    definition = context.validation_definitions.add_or_update(
        gx.ValidationDefinition(name=suite, data=batch, suite=expected)
    )
    checkpoint = context.checkpoints.add_or_update(_checkpoint(suite, definition, table))
    result = checkpoint.run(batch_parameters={"dataframe": table})
    return _verdict(context, result, settings.max_rows_named)


def raise_for_failures(result: ValidationResult) -> None:
    """Raise GateRefused naming every critical expectation that failed, and the first rows of each."""
    critical = [failure for failure in result.failed if failure.severity == "critical"]
    if critical:
        lines = "\n".join(f"- {failure.message}" for failure in critical)
        raise GateRefused(
            f"the data did not pass validation:\n{lines}\nCorrect these rows; details: {result.docs_path}"
        )


def _before_great_expectations() -> None:
    # Its charts load jsonschema, which would build a grammar of international addresses for two seconds: none occur.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    # ZenML sets the root logger to INFO, after which importing GX tells of hundreds of functions it does not register.
    for name in ("great_expectations._docs_decorators", "great_expectations"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _context(folder: Path) -> FileDataContext:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    folder.mkdir(parents=True, exist_ok=True)
    context = gx.get_context(mode="file", project_root_dir=folder)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _whole_table(context: FileDataContext) -> Any:
    name = "manifest"
    source = context.data_sources.add_or_update_pandas(name)
    asset = source.add_dataframe_asset(name)
    return asset.add_batch_definition_whole_dataframe(name)


def _checkpoint(name: str, definition: gx.ValidationDefinition, table: pd.DataFrame) -> gx.Checkpoint:
    import great_expectations as gx
    from great_expectations.checkpoint import UpdateDataDocsAction

    named = [column for column in ("path", "label") if column in table.columns]
    return gx.Checkpoint(
        name=name,
        validation_definitions=[definition],
        actions=[UpdateDataDocsAction(name="data docs")],
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": named,
            "return_unexpected_index_query": False,
        },
    )


def _verdict(context: FileDataContext, result: CheckpointResult, max_rows_named: int) -> ValidationResult:
    ((identifier, validation),) = result.run_results.items()
    failed = [_failure(one, max_rows_named) for one in validation.results if not one.success]
    failed.sort(key=lambda failure: (failure.severity, failure.column or "", failure.expectation))
    critical = sum(failure.severity == "critical" for failure in failed)
    (site,) = context.get_docs_sites_urls(resource_identifier=identifier)
    page = _local_path(site["site_url"])
    html = make_self_contained(page.read_text(encoding="utf-8"))
    page.write_text(html, encoding="utf-8")
    return ValidationResult(
        success=critical == 0,
        failed=failed,
        statistics={
            "evaluated": len(validation.results),
            "successful": len(validation.results) - len(failed),
            "critical": critical,
            "warnings": len(failed) - critical,
        },
        docs_path=str(page),
        docs_html=html,
    )


def _local_path(url: str | None) -> Path:
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    if url is None:
        raise HematoVisionError("Great Expectations built no page for this validation")
    return Path(url2pathname(urlparse(url).path))


def _failure(result: ExpectationValidationResult, max_rows_named: int) -> FailedExpectation:
    config, outcome = result.expectation_config, result.result
    if config is None:
        raise HematoVisionError("Great Expectations returned a result without its expectation")
    rows = [row for row in outcome.get("unexpected_index_list") or [] if "path" in row]
    says = str(config.description or config.type)
    return FailedExpectation(
        expectation=config.type,
        column=config.kwargs.get("column"),
        severity="warning" if config.severity == "warning" else "critical",
        message=f"{says}: {_found(outcome, rows, config.kwargs.get('column'), result.exception_info)}",
        rows=[str(row["path"]) for row in rows[:max_rows_named]],
        count=int(outcome.get("unexpected_count") or 0),
    )


def _found(
    outcome: Mapping[str, Any], rows: list[dict[str, Any]], column: str | None, problem: Mapping[str, Any]
) -> str:
    if not outcome:
        return f"not so{_exception(problem)}"
    if not rows:
        missing = outcome.get("details", {}).get("mismatched", {}).get("missing")
        return f"{', '.join(missing)} missing" if missing else f"found {outcome.get('observed_value')}"
    told = list(dict.fromkeys(_row(row, column) for row in rows))[:_TOLD]
    return f"not so for {outcome['unexpected_count']} of {outcome['element_count']} rows: {'; '.join(told)}"


def _row(row: Mapping[str, Any], column: str | None) -> str:
    value = "" if column in ("path", "label", None) else f"{column.replace('_', ' ')} {_plain(row[column])}"
    label = f"labelled {row['label']!r}" if isinstance(row.get("label"), str) else "without a label"
    if column is not None and column.endswith("_label"):
        return f"{label}, {value}"
    details = ", ".join(detail for detail in (label, value) if detail)
    return f"{row['path']} ({details})" if details else str(row["path"])


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, Real) else repr(value)


def _exception(problem: Mapping[str, Any]) -> str:
    """GX keeps one exception, or one for each metric it could not compute."""
    each = [problem, *(value for value in problem.values() if isinstance(value, Mapping))]
    messages = [str(one["exception_message"]) for one in each if one.get("raised_exception")]
    return f" ({messages[0]})" if messages else ""
