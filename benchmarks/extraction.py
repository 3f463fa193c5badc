"""Feature extraction beside OpenVINO's own benchmark: the same network, batch and processor, in turns.

    python -m benchmarks.extraction [--data PATH] [--rounds 3] [--precision f32|bf16]

`benchmark_app` feeds the network with one batch that lies in memory; ours reads JPEG files, decodes, resizes, augments,
computes, and writes features to disk. The ratio of views a second says what all that costs. Compiling counts on neither
side. With several views a picture is decoded once for all of them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from hematovision.config import RunConfig, load_config
from hematovision.data.decoding import decode
from hematovision.data.ingestion import image_files
from hematovision.data.store import ImageStore
from hematovision.data.synthetic.dataset import draw_planned, planned_cells
from hematovision.data.synthetic.scanner import load_scanners
from hematovision.data.synthetic.settings import SyntheticPlan
from hematovision.home import CONFIGS, PROJECT, activate_home
from hematovision.learning.backbones import Backbone, load_backbone
from hematovision.learning.extraction import backbone_model, fill
from hematovision.learning.features import FeatureCache, FeaturePlan
from hematovision.learning.inference import compile_for_throughput, import_openvino
from hematovision.learning.memory import keep_freed_memory
from hematovision.learning.preprocessing import choose_side

RESULTS = PROJECT / "benchmarks" / "results"
AIM = 0.85
# Without OpenVINO's package for telemetry, which reports home; the benchmark is the same.
BENCHMARK = """
import sys
sys.modules["openvino_telemetry"] = None
from openvino.tools.benchmark.main import main
main()
"""
JPEG_SIDE, JPEG_QUALITY = 360, 95


@dataclass(frozen=True)
class Measured:
    """One round: views a second of OpenVINO's benchmark and of ours, and the load before it."""

    views: int
    batch: int
    round: int
    benchmark: float
    ours: float
    load: list[float]

    @property
    def ratio(self) -> float:
        """Ours by the benchmark's."""
        return self.ours / self.benchmark


@dataclass(frozen=True)
class Bench:
    """What is measured, and on which pictures."""

    backbone: Backbone
    model: Path
    store: ImageStore
    pictures: list[str]
    config: RunConfig
    side: int
    seconds: int
    workers: int

    def plan(self, views: int) -> FeaturePlan:
        """One upright view, or the views of a training with its orientations."""
        learning = self.config.learning
        turned = min(views, learning.orientations)
        precision = learning.backbone.precision
        return FeaturePlan(self.side, turned, views, learning.augmentation, precision, self.config.seed)

    def batch(self, views: int) -> int:
        """Views a call of the network."""
        return max(1, self.config.learning.backbone.batch_size // views) * views


def draw(store: ImageStore, config: RunConfig, count: int) -> list[str]:
    """Synthetic cells as JPEG files of the size a microscope's software crops; returns their hashes."""
    changes = {"image_size": JPEG_SIDE, "slides": -(-count // 8), "cells_per_class_per_slide": 1}
    plan = SyntheticPlan.model_validate({**config.synthetic.model_dump(), **changes})
    scanner = load_scanners(CONFIGS / "scanners.yaml")[plan.scanner]
    cells = planned_cells(plan)[:count]
    return [store.put(_jpeg(draw_planned(plan, cell, scanner)), durable=False) for cell in cells]


def _jpeg(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def benchmark_rate(bench: Bench, batch: int) -> float:
    """Views a second by `benchmark_app`, for throughput, on all cores."""
    with tempfile.TemporaryDirectory() as folder:
        asked = {
            "-m": bench.model,
            "-d": "CPU",
            "-hint": "throughput",
            "-infer_precision": bench.config.learning.backbone.precision,
            "-shape": f"[{batch},{bench.side},{bench.side},3]",
            "-t": bench.seconds,
            "-report_type": "no_counters",
            "-report_folder": folder,
        }
        options = [str(part) for pair in asked.items() for part in pair]
        done = subprocess.run(
            [sys.executable, "-c", BENCHMARK, *options, "-json_stats"], capture_output=True, text=True, check=False
        )
        report = Path(folder) / "benchmark_report.json"
        if done.returncode or not report.exists():
            raise SystemExit(f"OpenVINO's benchmark failed:\n{(done.stdout + done.stderr)[-3000:]}")
        return float(json.loads(report.read_text())["execution_results"]["throughput"])


def our_rate(bench: Bench, views: int, expected: float) -> float:
    """Views a second from JPEG files to features on disk, over about as many seconds as the benchmark takes."""
    plan = bench.plan(views)
    model = backbone_model(bench.backbone, plan)
    network = compile_for_throughput(model, precision=plan.precision)
    count = max(4 * bench.batch(views), int(expected * bench.seconds)) // views
    identities = [f"{number:064x}" for number in range(count)]
    limit = bench.config.reading.max_pixels

    def read(identity: str) -> np.ndarray:
        return decode(bench.store.read(bench.pictures[int(identity, 16) % len(bench.pictures)]), max_pixels=limit)

    with tempfile.TemporaryDirectory(prefix="hematovision-bench-") as folder:
        cache = FeatureCache(Path(folder))
        size = bench.config.learning.backbone.batch_size
        started = time.perf_counter()
        fill(cache, identities, read, network, plan, batch_size=size, workers=bench.workers)
        return count * views / (time.perf_counter() - started)


def measure(bench: Bench, views: int, number: int) -> Measured:
    """One round; which side begins alternates."""
    before, batch = machine.load(), bench.batch(views)
    first = benchmark_rate(bench, batch)
    ours = our_rate(bench, views, first)
    benchmark = statistics.mean([first, benchmark_rate(bench, batch)])  # before and after, against a drifting load
    return Measured(views, batch, number, benchmark, ours, before)


def summarised(found: list[Measured]) -> dict[str, Any]:
    """Medians over rounds."""
    ratio = statistics.median(each.ratio for each in found)
    return {
        "views": found[0].views,
        "batch": found[0].batch,
        "rounds": len(found),
        "benchmark": statistics.median(each.benchmark for each in found),
        "ours": statistics.median(each.ours for each in found),
        "ratio": ratio,
        "met": ratio >= AIM,
    }


HEADINGS = ("views a picture", "batch", "rounds", "OpenVINO's benchmark, views/s", "ours, views/s", "ratio", "asked")


def row(line: dict[str, Any]) -> tuple[str, ...]:
    """One line of the table."""
    return (
        str(line["views"]),
        str(line["batch"]),
        str(line["rounds"]),
        f"{line['benchmark']:.0f}",
        f"{line['ours']:.0f}",
        f"{line['ratio']:.2f}",
        f"{AIM:.2f}: {'met' if line['met'] else 'NOT met'}",
    )


def markdown(about: dict[str, Any], what: str, lines: list[dict[str, Any]]) -> str:
    """The result on a page."""
    table = ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    table += ["| " + " | ".join(row(line)) + " |" for line in lines]
    parts = ["# Feature extraction beside OpenVINO's benchmark", what, machine.in_words(about)]
    if machine.busy(about):
        parts.append("**Other work was running: compare ratios, not rates.**")
    return "\n\n".join([*parts, "\n".join(table)]) + "\n"


def prepared(asked: argparse.Namespace, folder: Path) -> Bench:
    """Pictures in a store and the network in OpenVINO's own format."""
    changes = {"backbone": {"precision": asked.precision, "weights": asked.weights}}
    config = load_config(None, {"learning": changes})
    store = ImageStore(folder / "images")
    if asked.data:
        pictures = [store.put(file.read_bytes(), durable=False) for file in image_files([asked.data])[: asked.pictures]]
    else:
        pictures = draw(store, config, asked.pictures)
    shapes = np.array([decode(store.read(each), max_pixels=config.reading.max_pixels).shape for each in pictures])
    chosen = config.learning.backbone
    side = choose_side(
        shapes[:, 1], shapes[:, 0], smallest=chosen.smallest_image_size, largest=chosen.largest_image_size
    )
    backbone = load_backbone(chosen, seed=config.seed)
    bench = Bench(backbone, folder / "backbone.xml", store, pictures, config, side, asked.seconds, asked.workers)
    import_openvino().save_model(backbone_model(backbone, bench.plan(1)), bench.model, compress_to_fp16=False)
    return bench


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare feature extraction with OpenVINO's own benchmark.")
    parser.add_argument("--data", type=Path, help="folder of pictures; default: synthetic cells as JPEG")
    parser.add_argument("--pictures", type=int, default=200, help="different ones at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10, help="about how long each side computes")
    parser.add_argument("--views", type=int, nargs="+", default=[1, 12], help="a picture; 1 decodes the most")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--weights", choices=["imagenet", "none"], default="imagenet")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="threads that decode")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> None:
    """Run the benchmark."""
    asked, say, about = arguments(), Console(), machine.describe()
    activate_home()
    keep_freed_memory()  # as a run does
    with tempfile.TemporaryDirectory(prefix="hematovision-bench-") as folder:
        bench = prepared(asked, Path(folder))
        kind = asked.data or f"synthetic, {JPEG_SIDE} px JPEG"
        what = f"MobileNetV2, {bench.side} px, {asked.precision}; pictures: {kind}."
        found: list[Measured] = []
        for number in range(asked.rounds):
            for views in asked.views:
                found.append(measure(bench, views, number))
                say.print(f"round {number + 1}, {views} views: ratio {found[-1].ratio:.2f}")
    lines = [summarised([each for each in found if each.views == views]) for views in asked.views]
    table = Table(*HEADINGS, title=f"Feature extraction: {what}")
    for line in lines:
        table.add_row(*row(line))
    say.print(table)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "extraction.md").write_text(markdown(about, what, lines))
    told = {"schema": 1, "machine": about, "busy": machine.busy(about), "what": what, "medians": lines}
    told["rounds"] = [{**asdict(each), "ratio": each.ratio} for each in found]
    (asked.out / "extraction.json").write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
