"""What a model trained on scanner A of the generator loses on other scanners: plain augmentation and the shipped one.

    python benchmarks/other_scanners.py [--seeds 1 2] [--adapt] [--scanners FILE --others V W] [--json FILE]

Both arms have the same cells, seed, network and training; they differ in `learning.augmentation` alone. `plain` is
rotation, flips, zoom, shift, brightness, contrast, saturation and hue, as the first release had them; `shipped` is
configs/default.yaml; `--arm NAME=FILE` adds settings of your own. Every scanner pictures the same test cells, of slides
that no training saw. A loss is the accuracy on scanner A less that on another one; intervals come from a bootstrap over
slides (trainings are averaged, not drawn again). With `--adapt` the batch norms are also re-estimated on unlabelled
pictures of each scanner, of slides of their own. B to E were looked at with the settings that are shipped; anything
that is to be chosen is chosen on scanners of another file.
"""

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from hematovision.config import load_config, read_layer
from hematovision.data.decoding import decode, encode_png
from hematovision.data.store import ImageStore
from hematovision.data.synthetic.dataset import draw_planned, planned_cells
from hematovision.data.synthetic.scanner import Scanner, load_scanners
from hematovision.data.synthetic.settings import SyntheticPlan
from hematovision.home import CONFIGS, activate_home
from hematovision.learning.adaptation import adapt_batch_norms
from hematovision.learning.export import export_onnx
from hematovision.learning.features import FeatureCache
from hematovision.learning.folds import class_names, prepare_features, resolve_inputs, train_on
from hematovision.learning.inference import compile_for_throughput, taking_pictures
from hematovision.learning.networks import CellNetwork
from hematovision.learning.settings import LearningSettings
from hematovision.provenance import machine

HOME = "A"
PLAIN = {
    "strength": 1.0,
    "rotation_degrees": 180,
    "flips": True,
    "zoom": 0.15,
    "shift": 0.08,
    "brightness": 0.15,
    "contrast": 0.15,
    "saturation": 0.20,
    "hue_degrees": 6,
    **dict.fromkeys(("stain", "dyes", "white_balance", "illumination", "vignette", "blur", "sharpening", "noise"), 0.0),
    "jpeg_quality": 100,
}
"""Augmentation as the first release had it."""
TEST_SEED, SITE_SEED, RESAMPLES = 7001, 9001, 4000


def cells_of(scanner: Scanner, seed: int, slides: int, per_class: int, store: ImageStore) -> pd.DataFrame:
    """Draw cells and keep them; a manifest with what training needs of them."""
    plan = SyntheticPlan(
        seed=seed, image_size=128, slides=slides, cells_per_class_per_slide=per_class, scanner=scanner.name
    )
    rows = [
        {
            "path": cell.path,
            "sha256": store.put(encode_png(draw_planned(plan, cell, scanner)), durable=False),
            "label": cell.cell_class,
            "group": cell.group,
            "width": plan.image_size,
            "height": plan.image_size,
        }
        for cell in planned_cells(plan)
    ]
    return pd.DataFrame(rows).sort_values("path", kind="stable", ignore_index=True)


class Trial:
    """One network trained on scanner A, and what it answers."""

    def __init__(self, rows: pd.DataFrame, settings: LearningSettings, work: Path, *, seed: int, threads: int) -> None:
        self.settings, self.seed, self.work = resolve_inputs(rows, settings), seed, work
        self.store, self.classes = ImageStore(work / "images"), class_names(rows)
        features = self._features(rows, self.settings)
        network = train_on(rows, features, self.classes, self.settings, seed=seed, threads=threads).network
        self.network: CellNetwork = network
        self.mean, self.deviation = _normalisation(self.settings, seed)

    def _features(self, rows: pd.DataFrame, settings: LearningSettings) -> Any:
        return prepare_features(
            rows, self.store, self.work / "features", settings, max_pixels=10**6, workers=2, seed=self.seed
        )

    def adapted(self, pictures: pd.DataFrame) -> CellNetwork:
        """A copy of the network with batch norms re-estimated on pictures whose labels are not read."""
        turns = self.settings.augmentation.model_copy(update={"views": self.settings.orientations})
        settings = self.settings.model_copy(update={"augmentation": turns})
        features = self._features(pictures, settings)
        taps = FeatureCache(Path(features.folder)).read(sorted(pictures["sha256"])).taps
        network = copy.deepcopy(self.network)
        adapt_batch_norms(network, taps, load_config().adaptation)
        return network

    def right(self, network: CellNetwork, sets: Mapping[str, pd.DataFrame]) -> dict[str, np.ndarray]:
        """Which cells of each set (N,) a network answers rightly."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            side = int(self.settings.backbone.image_size)
            export_onnx(network, path, side=side, outputs=["logits"])
            pictures = taking_pictures(path, self.mean, self.deviation, compact=[])
        compiled = compile_for_throughput(pictures, precision="f32")
        return {name: self._answered(compiled, rows) == rows["label"].to_numpy() for name, rows in sets.items()}

    def _answered(self, compiled: Any, rows: pd.DataFrame) -> np.ndarray:
        found = []
        for start in range(0, len(rows), 16):
            part = rows["sha256"].iloc[start : start + 16]
            pixels = np.stack([decode(self.store.read(sha256), max_pixels=10**6) for sha256 in part])
            found.append(np.array(compiled(pixels)[0]).argmax(1))
        return np.array(self.classes)[np.concatenate(found)]


def _normalisation(settings: LearningSettings, seed: int) -> tuple[Sequence[float], Sequence[float]]:
    from hematovision.learning.backbones import load_backbone

    backbone = load_backbone(settings.backbone, seed=seed)
    return backbone.mean, backbone.deviation


def losses(right: Mapping[str, np.ndarray], others: Sequence[str]) -> np.ndarray:
    """(N, others) what each test cell lost on each other scanner, −1 to 1, mean over trainings."""
    return np.stack([right[HOME] - right[name] for name in others], axis=1)


def drawn_slides(slides: np.ndarray, seed: int = 0) -> np.ndarray:
    """(RESAMPLES, N) weights of cells: how often the bootstrap drew their slide."""
    _, slide = np.unique(slides, return_inverse=True)
    count = int(slide.max()) + 1
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)[:, slide]


def interval(values: np.ndarray) -> list[float]:
    """The middle 95 %."""
    return [float(value) for value in np.quantile(values, [0.025, 0.975])]


def summarise(right: Mapping[str, np.ndarray], slides: np.ndarray, others: Sequence[str]) -> dict[str, Any]:
    """Accuracy by scanner, and the loss on each other one and on all, with intervals."""
    weights = drawn_slides(slides)
    lost = losses(right, others)
    drawn = weights @ lost / weights.sum(1, keepdims=True)
    means = {name: weights @ cells / weights.sum(1) for name, cells in right.items()}
    return {
        "accuracy": {name: [float(cells.mean()), *interval(means[name])] for name, cells in right.items()},
        "loss": {name: [float(lost[:, at].mean()), *interval(drawn[:, at])] for at, name in enumerate(others)},
        "mean_loss": [float(lost.mean()), *interval(drawn.mean(1))],
    }


def share_kept(arms: Mapping[str, Mapping[str, np.ndarray]], slides: np.ndarray, others: Sequence[str]) -> Any:
    """The mean loss of each arm as a share of the plain one's, on the same draws of slides."""
    weights = drawn_slides(slides)
    drawn = {name: weights @ losses(right, others).mean(1) for name, right in arms.items()}
    plain = losses(arms["plain"], others).mean()
    return {
        name: [float(losses(right, others).mean() / plain), *interval(drawn[name] / drawn["plain"])]
        for name, right in arms.items()
        if name != "plain"
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="a training each, with cells of their own")
    parser.add_argument("--slides", type=int, default=48, help="of the training cells, 16 cells a slide")
    parser.add_argument("--test-slides", type=int, default=24, help="of the test cells, 16 cells a slide")
    parser.add_argument("--scanners", type=Path, default=CONFIGS / "scanners.yaml")
    parser.add_argument("--others", nargs="+", default=["B", "C", "D", "E"])
    parser.add_argument("--arms", nargs="*", default=["plain", "shipped"], help="which of plain and shipped")
    parser.add_argument("--arm", action="append", default=[], metavar="NAME=FILE", help="settings of your own")
    parser.add_argument("--adapt", action="store_true", help="and re-estimate batch norms on 192 unlabelled pictures")
    parser.add_argument("--config", type=Path, help="settings of every arm, laid over the defaults")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, help="keep pictures and features here")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def settings_of(arm: str, given: argparse.Namespace) -> LearningSettings:
    """The learning settings of an arm."""
    files = dict(pair.split("=", 1) for pair in given.arm)
    changes = {"learning": {"augmentation": PLAIN}} if arm == "plain" else {}
    changes = read_layer(Path(files[arm])) if arm in files else changes
    return load_config(given.config, changes).learning


def measure(
    given: argparse.Namespace, work: Path, console: Console
) -> tuple[dict[str, dict[str, np.ndarray]], np.ndarray]:
    """For every arm, the share of trainings (N,) that answered each test cell of each scanner rightly; its slides."""
    presets, store = load_scanners(given.scanners), ImageStore(work / "images")
    home = load_scanners(CONFIGS / "scanners.yaml")[HOME]
    scanners = {HOME: home, **{name: presets[name] for name in given.others}}
    tests = {name: cells_of(one, TEST_SEED, given.test_slides, 2, store) for name, one in scanners.items()}
    arms = [*given.arms, *(pair.split("=", 1)[0] for pair in given.arm)]
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    for seed in given.seeds:
        rows = cells_of(home, seed, given.slides, 2, store)
        for arm in arms:
            started = time.monotonic()
            trial = Trial(rows, settings_of(arm, given), work, seed=seed, threads=given.threads)
            found.setdefault(arm, []).append(trial.right(trial.network, tests))
            if given.adapt:
                adapted = [_adapted(trial, scanners[name], name, tests[name], store) for name in scanners]
                found.setdefault(f"{arm}, adapted", []).append(dict(adapted))
            console.print(f"{arm}, seed {seed}: {time.monotonic() - started:.0f} s", {
                name: round(float(cells.mean()), 3) for name, cells in found[arm][-1].items()
            })  # fmt: skip
    right = {arm: {name: np.mean([one[name] for one in runs], axis=0) for name in tests} for arm, runs in found.items()}
    return right, tests[HOME]["group"].to_numpy(str)


def _adapted(
    trial: Trial, scanner: Scanner, name: str, test: pd.DataFrame, store: ImageStore
) -> tuple[str, np.ndarray]:
    pictures = cells_of(scanner, SITE_SEED, 24, 1, store).drop(columns="label")
    return name, trial.right(trial.adapted(pictures.assign(label="")), {name: test})[name]


def main() -> None:
    """Measure and print."""
    given, console = arguments(), Console(width=120)
    activate_home()
    with tempfile.TemporaryDirectory(prefix="other-scanners-") as folder:
        work = given.work or Path(folder)
        arms, slides = measure(given, work, console)
    result = {
        "machine": machine(),
        "seeds": given.seeds,
        "test_cells": len(slides),
        "arms": {name: summarise(right, slides, given.others) for name, right in arms.items()},
        "share_of_plain_loss": share_kept(arms, slides, given.others) if "plain" in arms else {},
    }
    table = Table("arm", HOME, *given.others, "mean loss", "share of plain's", title="Accuracy (95 % interval)")
    for name, told in result["arms"].items():
        kept = result["share_of_plain_loss"].get(name)
        cells = ["{:.3f} ({:.3f}–{:.3f})".format(*told["accuracy"][key]) for key in (HOME, *given.others)]
        share = "{:.2f} ({:.2f}–{:.2f})".format(*kept) if kept else ""
        table.add_row(name, *cells, "{:.3f} ({:.3f}–{:.3f})".format(*told["mean_loss"]), share)
    console.print(table)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
