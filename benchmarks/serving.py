"""The service beside `mlflow models serve`: same machine, same registered model, single pictures, concurrent clients.

python benchmarks/serving.py [--clients 8] [--requests 400] [--side 96] [--orientations 1]

A MobileNetV2 with random weights is registered in a temporary home; both servers run one process each, one after the
other, and get the same PNG from the same clients (threads that only send and wait). Prints one JSON document. On a busy
machine look at `processor_ratio`: processor time of a request does not depend on who else is computing.
"""

import argparse
import base64
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from hematovision.config import load_config
from hematovision.data.decoding import encode_png
from hematovision.evaluation.prediction_sets import SetRule
from hematovision.home import PROJECT, Home
from hematovision.learning.backbones import load_backbone
from hematovision.learning.features import embed
from hematovision.learning.networks import CellNetwork
from hematovision.monitoring.strangeness import FamiliarLimit, fit_familiar
from hematovision.registry.mlflow_registry import Evidence, register
from hematovision.registry.package import ModelSpecification, package_digest, write_package
from hematovision.registry.predictor import Predictor
from hematovision.serving.access import open_keys

CLASSES = ["eosinophil", "lymphocyte", "monocyte"]
PATIENCE_SECONDS = 180


def build(folder: Path, *, side: int, orientations: int) -> Path:
    """A package with a random MobileNetV2."""
    backbone = load_backbone(
        load_config(None, {"learning": {"backbone": {"weights": "none"}}}).learning.backbone, seed=4
    )
    network = CellNetwork(backbone, len(CLASSES), orientations, 0.0, torch.Generator().manual_seed(4)).eval()
    with torch.inference_mode():
        below = network.lower(torch.rand(12, 3, side, side, generator=torch.Generator().manual_seed(6)))
        network.standardise_on(network.upper(below).numpy()[:, None])
    specification = ModelSpecification(
        classes=CLASSES,
        image_size=side,
        orientations=orientations,
        mean=backbone.mean,
        deviation=backbone.deviation,
        temperature=1.0,
        sets=SetRule(confidence=0.95, limits=[0.6, 0.6, 0.6], cells=[40, 40, 40]),
        familiar=FamiliarLimit(distance=200.0, false_flag_rate=0.01, cells=300),
        max_pixels=4_000_000,
        min_side=8,
        backbone="mobilenet_v2",
        frozen_blocks=backbone.frozen_blocks,
        weights="none",
        data_version="benchmark",
        manifest_digest="",
        golden_digest="",
        seed=4,
        synthetic=True,
        software={},
    )
    return write_package(folder, network, specification, fit_familiar(embed(below.numpy()), CLASSES * 4))


def registered(home: Home, package: Path, picture: bytes) -> None:
    """Register the package as a run would, as champion."""
    (home.root / "reference").mkdir()
    (home.root / "reference" / "none.txt").write_text("no reference\n")
    evidence = Evidence({}, {}, [], {}, {"model_digest": package_digest(package)})
    made = register(home, "hematovision", package, home.root / "reference", picture, evidence, "benchmark")
    import mlflow

    mlflow.MlflowClient().set_registered_model_alias("hematovision", "champion", made.version)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, path: str, home: Home) -> Iterator[int]:
    """A server until it answers 200 at a path, and its end; yields the number of its process."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # mlflow looks for uvicorn there
    state = {"HEMATOVISION_HOME": str(home.root), "MLFLOW_TRACKING_URI": home.tracking_uri, "PATH": beside}
    environment = os.environ | state
    with (home.root / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=PROJECT)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(port, path):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((home.root / "server.log").read_text()[-3000:])
            time.sleep(0.3)
        yield process.pid
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def answers(port: int, path: str) -> bool:
    """Whether a server answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def worked(process: int) -> float:
    """Seconds of processor time a process and its children have used."""
    import psutil

    parent = psutil.Process(process)
    times = [each.cpu_times() for each in (parent, *parent.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def load(
    process: int, port: int, path: str, body: bytes, headers: dict[str, str], *, clients: int, requests: int
) -> dict[str, float]:
    """Send single pictures from concurrent clients; requests per second, milliseconds, and processor time of each."""
    seconds: list[float] = []

    def ask(count: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(count):
            started = time.perf_counter()
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            seconds.append(time.perf_counter() - started)
            if answer.status != 200:
                raise SystemExit(content[:500])
        connection.close()

    ask(10)
    seconds.clear()
    threads = [threading.Thread(target=ask, args=(requests // clients,)) for _ in range(clients)]
    started, before = time.perf_counter(), worked(process)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, processor = time.perf_counter() - started, worked(process) - before
    p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1000
    return {
        "per_second": round(len(seconds) / took, 1),
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
        "processor_ms": round(1000 * processor / len(seconds), 2),
    }


def forward(package: Path, picture: bytes, requests: int) -> dict[str, float]:
    """The network alone and the decoding alone, in this process, milliseconds."""
    predictor = Predictor.load(package)
    pixels, _ = predictor.pixels(picture)
    found = {}
    for name, work in {
        "decoding": lambda: predictor.pixels(picture),
        "network": lambda: predictor.answer_pixels(pixels[None]),
    }.items():
        seconds = []
        for _ in range(requests):
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
        p50, p99 = np.quantile(seconds[5:], [0.5, 0.99]) * 1000
        found |= {f"{name}_p50_ms": round(float(p50), 2), f"{name}_p99_ms": round(float(p99), 2)}
    return found


def main() -> None:
    """Measure both and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("clients", 8), ("requests", 400), ("side", 96), ("orientations", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        picture = encode_png(np.random.default_rng(1).integers(0, 256, (asked.side,) * 2 + (3,), dtype=np.uint8))
        package = build(home.root / "package", side=asked.side, orientations=asked.orientations)
        registered(home, package, picture)
        many = {"clients": asked.clients, "requests": asked.requests}
        table = {"dataframe_split": {"columns": ["image"], "data": [[base64.b64encode(picture).decode()]]}}
        result: dict[str, object] = {"side": asked.side, "orientations": asked.orientations, **many}
        result["alone"] = forward(package, picture, 100)
        port = free_port()
        command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", "models:/hematovision/1"]
        with running([*command, "-p", str(port), "--env-manager", "local"], port, "/ping", home) as process:
            theirs = load(
                port, "/invocations", json.dumps(table).encode(), {"Content-Type": "application/json"}, **many
            )
        key = open_keys(home, None).add("benchmark", "predict")[1]
        headers = {"Content-Type": "image/png", "Authorization": f"Bearer {key}"}
        port = free_port()
        command = [sys.executable, "-c", "from hematovision.cli import main; main()", "serve", "--port", str(port)]
        with running(command, port, "/readyz", home) as process:
            ours = load(process, port, "/v1/predictions", picture, headers, **many)
            one = load(process, port, "/v1/predictions", picture, headers, clients=1, requests=asked.requests // 4)
        result |= {"mlflow": theirs, "hematovision": ours, "hematovision_one_client": one}
        result["throughput_ratio"] = round(ours["per_second"] / theirs["per_second"], 2)
        result["processor_ratio"] = round(theirs["processor_ms"] / ours["processor_ms"], 2)
        result["p99_ratio"] = round(ours["p99_ms"] / theirs["p99_ms"], 3)
        print(json.dumps(result, indent=2))


if __name__ == "__main__":
    from hematovision.home import activate_home

    activate_home()
    main()
