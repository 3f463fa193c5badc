"""Evidently's report over the observations, made to agree with the verdict.

Evidently gets the verdict's own statistics and thresholds, so that a column it calls drifted is a signal in alarm.
Importing this module imports Evidently (seconds). A report sends nothing anywhere: Evidently's telemetry lives in its
collector and user interface, which are not started here.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.core.metric_types import SingleValue, SingleValueCalculation, SingleValueMetric
from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
from evidently.legacy.core import ColumnType
from evidently.legacy.renderers.html_widgets import CounterData, counter
from evidently.presets import DataDriftPreset
from evidently.tests import lte

from hematovision.monitoring.drift import DriftVerdict, Signal
from hematovision.monitoring.observations import PREDICTED_CLASS
from hematovision.monitoring.signals import COLUMN_STATISTICS, ColumnStatistic


class SignalMetric(SingleValueMetric):  # type: ignore[misc, unused-ignore]  # evidently is untyped
    """A signal that is no single column (the embedding as a whole), or the count of alarms, under its name."""

    signal: str
    observed: float
    shown: str


class SignalCalculation(SingleValueCalculation[SignalMetric]):  # type: ignore[misc, unused-ignore]
    """Hands the value over; nothing is computed twice."""

    def calculate(self, context: object, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:  # noqa: ARG002
        """The value with the counter that shows it."""
        result = self.result(self.metric.observed)
        result.widget = [counter(title="", counters=[CounterData(self.display_name(), self.metric.shown)])]
        return result

    def display_name(self) -> str:
        """The signal's name."""
        return str(self.metric.signal)


def write_evidently(
    reference: pd.DataFrame, current: pd.DataFrame, verdict: DriftVerdict, *, html: Path, record: Path
) -> None:
    """Run Evidently over two observation tables with the same columns; write its page and its JSON record."""
    by_column = _of_columns(reference, verdict)
    snapshot = _run(reference, current, [*_whole_signals(verdict, by_column), _columns(by_column)])
    snapshot.save_html(str(html))
    record.write_text(json.dumps(json.loads(snapshot.json()), indent=1) + "\n", encoding="utf-8")


def add_to_workspace(
    folder: Path, project: str, reference: pd.DataFrame, current: pd.DataFrame, verdict: DriftVerdict
) -> None:
    """Add a run to a project of an Evidently workspace, which is made if need be; `evidently ui` shows it over time.

    It holds the signals that are columns, by metrics of Evidently's own: its interface refuses to load others.
    """
    from evidently.ui.workspace import Workspace

    workspace = Workspace.create(str(folder))
    found = workspace.search_project(project)
    one = found[0] if found else workspace.create_project(project, description="HematoVision; not a medical device")
    run = _run(reference, current, [_columns(_of_columns(reference, verdict))])
    workspace.add_run(one.id, run, name=f"{'drift' if verdict.drift else 'no drift'} in {verdict.n} images")


def _run(reference: pd.DataFrame, current: pd.DataFrame, metrics: list[object]) -> Any:
    _register_statistics()
    numeric = [name for name in reference.columns if name != PREDICTED_CLASS]
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=[PREDICTED_CLASS])
    parts = [Dataset.from_pandas(table, data_definition=definition) for table in (current, reference)]
    return Report(metrics, include_tests=True).run(*parts, name="Drift of incoming cell images")


def _of_columns(reference: pd.DataFrame, verdict: DriftVerdict) -> dict[str, Signal]:
    return {signal.name: signal for signal in verdict.signals if signal.name in reference.columns}


def _whole_signals(verdict: DriftVerdict, by_column: Mapping[str, Signal]) -> list[object]:
    """The verdict, and the signals that are no column."""
    alarms = sum(signal.alarm for signal in verdict.signals)
    word = "Drift" if verdict.drift else "No drift"
    shown = f"{word}: {alarms} of {len(verdict.signals)} signals in alarm ({verdict.n} images)"
    summary = SignalMetric(
        signal="HematoVision verdict (not a medical device)", observed=alarms, shown=shown, tests=[lte(0)]
    )
    return [summary, *(_whole(signal) for signal in verdict.signals if signal.name not in by_column)]


def _columns(by_column: Mapping[str, Signal]) -> object:
    return DataDriftPreset(
        columns=list(by_column),
        drift_share=1 / len(by_column),
        per_column_method={name: signal.statistic for name, signal in by_column.items()},
        per_column_threshold={name: signal.threshold for name, signal in by_column.items()},
    )


def _whole(signal: Signal) -> SignalMetric:
    shown = f"{signal.value:.4g} (threshold {signal.threshold:.4g}): {'alarm' if signal.alarm else 'no alarm'}"
    return SignalMetric(
        signal=f"{signal.name}: {signal.statistic}", observed=signal.value, shown=shown, tests=[lte(signal.threshold)]
    )


def _register_statistics() -> None:
    """Make the verdict's column statistics known to Evidently by name; larger is further off, unlike a p-value."""
    for name, compute in COLUMN_STATISTICS.items():
        kinds = [ColumnType.Numerical, ColumnType.Categorical]
        register_stattest(StatTest(name=name, display_name=name, allowed_feature_types=kinds), _as_stattest(compute))


def _as_stattest(
    compute: ColumnStatistic,
) -> Callable[[pd.Series, pd.Series, ColumnType, float], tuple[float, bool]]:
    def stattest(reference: pd.Series, current: pd.Series, _: ColumnType, threshold: float) -> tuple[float, bool]:
        pool = pd.concat([reference, current], ignore_index=True)
        window = np.repeat([0, 1], [len(reference), len(current)])[None].astype(np.float32)
        value = float(compute(pool, window)[0])
        return value, value > threshold

    return stattest
