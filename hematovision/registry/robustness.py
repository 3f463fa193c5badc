"""A packaged model put through corrupted pictures of held-out cells."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from hematovision.config import EvaluationSettings, RunConfig
from hematovision.data.corruptions import corrupt, corruption_generator
from hematovision.data.decoding import Pixels, decode
from hematovision.data.ingestion import Limits, read_source
from hematovision.data.manifest import GOLDEN
from hematovision.data.sources import open_source
from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused
from hematovision.evaluation.failure_plots import robustness_table
from hematovision.evaluation.robustness import Condition, Robustness, summarise_robustness, untested
from hematovision.evaluation.settings import RobustnessSettings
from hematovision.home import Home
from hematovision.learning.inference import compile_onnx
from hematovision.learning.preprocessing import normalise, resize
from hematovision.progress import Progress
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.package import NETWORK, verify_package
from hematovision.registry.scoring import match_rows

Classify = Callable[[np.ndarray], np.ndarray]
_BATCH = 32


def measure_robustness(
    package: Path,
    rows: pd.DataFrame,
    store: ImageStore,
    settings: RobustnessSettings,
    evaluation: EvaluationSettings,
    *,
    cells: str,
    groups: list[str] | None,
    seed: int,
    progress: Progress | None = None,
) -> Robustness:
    """Accuracy on labelled cells, untouched and in every corruption and severity.

    Pictures are corrupted at the side the network takes, so that a strength means the same for every source.

    Args:
        rows: manifest rows; labels are matched to the model's classes by name, others are not tested.
        cells: what the cells are called. groups: the unit each row belongs to, or None.

    Raises:
        GateRefused: no label is a class of the model.
    """
    specification = verify_package(package)
    matched = match_rows(rows, specification.classes)
    network = compile_onnx(package / NETWORK, precision="f32")

    def classify(pixels: np.ndarray) -> np.ndarray:
        logits = network(normalise(pixels, specification.mean, specification.deviation))[0]
        answers: np.ndarray = np.asarray(logits).argmax(axis=1)
        return answers

    def load(sha256: str) -> Pixels:
        return resize(decode(store.read(sha256), max_pixels=specification.max_pixels), specification.image_size)

    clean, corrupted = _answers(list(matched.rows["sha256"]), matched.truth, load, classify, settings, seed, progress)
    return summarise_robustness(
        clean,
        corrupted,
        settings.corruptions,
        cells=cells,
        groups=None if groups is None else [group for group, kept in zip(groups, matched.known, strict=True) if kept],
        confidence=evaluation.confidence,
        resamples=evaluation.resamples,
        seed=seed,
    )


def _answers(
    digests: list[str],
    truth: np.ndarray,
    load: Callable[[str], Pixels],
    classify: Classify,
    settings: RobustnessSettings,
    seed: int,
    progress: Progress | None,
) -> tuple[np.ndarray, dict[Condition, np.ndarray]]:
    """Whether each cell (N,) was given the right class: untouched, and by condition."""
    conditions = [(name, severity) for name in settings.corruptions for severity in settings.severities]
    clean = np.zeros(len(digests), dtype=bool)
    corrupted = {condition: np.zeros(len(digests), dtype=bool) for condition in conditions}
    done, total = 0, len(digests) * (len(conditions) + 1)
    for start in range(0, len(digests), _BATCH):
        part = slice(start, start + _BATCH)
        images = [load(sha256) for sha256 in digests[part]]
        clean[part] = classify(np.stack(images)) == truth[part]
        for name, severity in conditions:
            spoilt = [
                corrupt(image, settings.corruptions[name], severity, corruption_generator(sha256, name, seed))
                for image, sha256 in zip(images, digests[part], strict=True)
            ]
            corrupted[name, severity][part] = classify(np.stack(spoilt)) == truth[part]
            done += len(images)
            if progress:
                progress(done, total)
    if progress:
        progress(total, total)
    return clean, corrupted


def measure_golden_robustness(
    manifest: pd.DataFrame,
    package: Path,
    store: ImageStore,
    settings: RobustnessSettings,
    evaluation: EvaluationSettings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Robustness:
    """The same on a random part of the golden set, `settings.cells` at most, drawn from the seed."""
    golden = manifest[manifest["split"] == GOLDEN].sort_values("path", kind="stable")
    if not settings.cells:
        return untested("golden set", evaluation.confidence)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(golden))[: settings.cells])
    rows = golden.iloc[chosen]
    groups = None if rows["group"].is_unique else list(rows["group"])
    return measure_robustness(
        package, rows, store, settings, evaluation, cells="golden set", groups=groups, seed=seed, progress=progress
    )


class RobustnessElsewhere(Robustness):
    """What `hematovision robustness` tells; `plot` is an SVG file.

    Attributes:
        without_counterpart: cells by label that the model has no class for; they are not tested.
        quarantined: pictures that could not be read, with the reason.
    """

    without_counterpart: dict[str, int]
    quarantined: list[dict[str, str]]
    model: str
    data: str
    plot: str


def measure_elsewhere(
    home: Home, model: str, path: Path, config: RunConfig, folder: Path, progress: Progress | None = None
) -> RobustnessElsewhere:
    """Test a registered model on labelled cells from elsewhere, all of them, and draw the table into a folder.

    Raises:
        UsageError: no such model or data. GateRefused: nothing readable, or no label in common.
    """
    package = fetch_model(home, model) / "artifacts" / "package"
    reading = config.reading
    source = open_source(path, voc_margin=reading.voc_margin, max_pixels=reading.max_pixels)
    store, limits = ImageStore(home.images), Limits(reading.max_pixels, reading.min_side)
    read = read_source(source, store, limits=limits, workers=reading.workers, describe=lambda _: None)
    if read.manifest.empty:
        raise GateRefused(f"Not one usable image in {path}: {len(read.quarantine)} could not be read.")
    groups = list(read.manifest["source_group"])
    result = measure_robustness(
        package,
        read.manifest,
        store,
        config.robustness,
        config.evaluation,
        cells="new data",
        groups=groups if all(groups) else None,
        seed=config.seed,
        progress=progress,
    )
    folder.mkdir(parents=True, exist_ok=True)
    plot = folder / "robustness.svg"
    plot.write_text(robustness_table(result), encoding="utf-8")
    return RobustnessElsewhere(
        **result.model_dump(),
        without_counterpart=match_rows(read.manifest, verify_package(package).classes).without_counterpart,
        quarantined=read.quarantine.to_dict("records"),
        model=model,
        data=str(path),
        plot=str(plot),
    )
