"""How often the drift verdict is wrong where nothing changed, and how often right where something did.

python -m benchmarks.drift_rates MODEL [--same DIR] [--shift NAME=DIR …] [--rate 0.05] [--windows 200] [--size 50]

MODEL is a logged model (models:/… or a folder). Windows without drift are resampled twice: out of the model's own
reference, each judged against the rest, whose components and thresholds are fitted without it; and, with --same, out of
a folder of other cells from the same laboratory, answered by the model as the service would. With --shift, windows are
drawn from cells of another scanner or stain. A folder with a manifest.csv that names groups (slides) gives its windows
slide by slide.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from hematovision.config import RunConfig, load_config
from hematovision.data.pictures import pictures_in
from hematovision.evaluation.intervals import proportion
from hematovision.home import activate_home
from hematovision.monitoring.calibration import draw_windows
from hematovision.monitoring.drift import Signal, judge
from hematovision.monitoring.observations import PREDICTED_CLASS, component_names
from hematovision.monitoring.reference import Reference, principal_components
from hematovision.monitoring.settings import DriftSettings
from hematovision.monitoring.statistics import Windows
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.predictor import Predictor
from hematovision.registry.reference import IMAGE_STATISTICS, doubt_table


@dataclass(frozen=True)
class Cells:
    """Cells as monitoring sees them: observation table, embeddings (N, D), and the slide of each."""

    observed: pd.DataFrame
    embeddings: np.ndarray
    groups: list[str]

    def windows(self, count: int, size: int, settings: DriftSettings, seed: int) -> Windows:
        """`count` random windows, as (count, N) rows of 0 and 1."""
        return draw_windows(
            self.groups,
            list(self.observed[PREDICTED_CLASS]),
            size=size,
            count=count,
            class_mix_concentration=settings.class_mix_concentration,
            rng=np.random.default_rng(seed),
        )


def answered(model: Path, reference: Reference, folder: Path, config: RunConfig) -> Cells:
    """The cells of a folder, as the model answers them."""
    pictures = pictures_in([folder], voc_margin=config.reading.voc_margin, max_pixels=config.reading.max_pixels)
    answers = Predictor.load(model / "artifacts" / "package").answer([one.load for one in pictures])
    doubts = doubt_table(answers.sets, answers.strangeness)
    observed = reference.observe(
        answers.embedding, answers.statistics[IMAGE_STATISTICS], answers.probabilities.astype(np.float32), doubts
    )
    paths = [pictures[place].path for place in answers.positions]
    return Cells(observed, answers.embedding, slides(folder, paths))


def slides(folder: Path, paths: Sequence[str]) -> list[str]:
    """The group of each picture, where a manifest in the folder names them; else each stands alone."""
    if not (folder / "manifest.csv").is_file():
        return list(paths)
    table = pd.read_csv(folder / "manifest.csv", dtype=str)
    if "group" not in table:
        return list(paths)
    known = dict(zip(table["path"], table["group"], strict=True))
    return [known[str(Path(path).relative_to(folder))] for path in paths]


def without(reference: Reference, window: np.ndarray, settings: DriftSettings) -> tuple[Reference, Cells]:
    """A reference without a window of its cells, projected anew, and the window as that reference sees it."""
    rest = ~window
    mean, components, scales = principal_components(reference.embeddings[rest], settings)
    projected = (reference.embeddings - mean) @ components.T
    columns = {name: projected[:, place].astype(float) for place, name in enumerate(component_names(reference.shown))}
    table = reference.observations.assign(**columns)
    anew = replace(reference, observations=table, mean=mean, components=components, scales=scales)
    taken = anew.only(window)
    return anew.only(rest), Cells(taken.observations, taken.embeddings, list(taken.groups))


def resampled(reference: Reference, settings: DriftSettings, count: int, size: int) -> list[list[Signal]]:
    """Verdicts on windows out of the reference, each against the rest of it."""
    whole = Cells(reference.observations, reference.embeddings, list(reference.groups))
    found = []
    for number, row in enumerate(whole.windows(count, size, settings, seed=7)):
        rest, window = without(reference, row.astype(bool), settings)
        rng = np.random.default_rng(1000 + number)
        slides = window.groups if len(set(window.groups)) < size else None
        found.append(judge(rest, window.observed, window.embeddings, settings=settings, rng=rng, groups=slides))
    return found


def judged(reference: Reference, cells: Cells, settings: DriftSettings, count: int, size: int) -> list[list[Signal]]:
    """Verdicts on windows of other cells."""
    size = min(size, len(cells.observed))
    windows = cells.windows(count, size, settings, seed=8).astype(bool)
    return [
        judge(
            reference,
            cells.observed[row],
            cells.embeddings[row],
            settings=settings,
            rng=np.random.default_rng(2000 + number),
        )
        for number, row in enumerate(windows)
    ]


def summary(verdicts: Sequence[Sequence[Signal]]) -> dict[str, object]:
    """The share of windows in alarm with its 95 % interval, and each signal's own share."""
    alarms = sum(any(signal.alarm for signal in verdict) for verdict in verdicts)
    limits = proportion(alarms, len(verdicts), share=1.0, confidence=0.95)
    names = [signal.name for signal in verdicts[0]]
    by_signal = {
        name: float(np.mean([verdict[place].alarm for verdict in verdicts])) for place, name in enumerate(names)
    }
    return {"windows": len(verdicts), "alarms": alarms, **limits.model_dump(), "by_signal": by_signal}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; one line a set of windows, and with --json a document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--same", type=Path)
    parser.add_argument("--shift", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--size", type=int, default=50)
    parser.add_argument("--resamples", type=int)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    given = {"false_alarm_rate": asked.rate, "resamples": asked.resamples}
    changes = {"monitoring": {name: value for name, value in given.items() if value is not None}}
    config = load_config(None, changes)
    model = fetch_model(activate_home(), asked.model)
    reference = Reference.load(model / "artifacts" / "reference")
    settings, groups = config.monitoring, len(set(reference.groups))
    print(f"reference of {len(reference)} cells in {groups} groups, stated rate {settings.false_alarm_rate:.1%}")
    found = {"resampled out of the reference": summary(resampled(reference, settings, asked.windows, asked.size))}
    sets = [("same laboratory", asked.same)] if asked.same else []
    for name, folder in [*sets, *(one.split("=", 1) for one in asked.shift)]:
        cells = answered(model, reference, Path(folder), config)
        found[str(name)] = summary(judged(reference, cells, settings, asked.windows, asked.size))
    for name, figures in found.items():
        print(f"{name:34} alarm in {figures['value']:6.1%} ({figures['low']:.1%}–{figures['high']:.1%}) of windows")
    if asked.json:
        asked.json.write_text(json.dumps({"cells": len(reference), "groups": groups, "found": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
