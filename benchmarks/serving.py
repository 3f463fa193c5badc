"""The service beside `mlflow models serve`: same machine, same registered version, single pictures, concurrent clients.

    python -m benchmarks.serving [--clients 8] [--requests 400] [--rounds 5] [--side 96] [--state DIR]

A MobileNetV2 with random weights is registered in a temporary home (below `--state`, where its records are written).
Both servers run all the time, one process each, and take turns: in each round either gets `--requests` different PNGs
from the same clients, threads that only send and wait. Then one client asks alone, which shows what the service adds to
the network's own forward pass and the decoding. Where `serving.answers_survive` is `power_cut` a write that reaches the
disk is among it, so the disk's own time for one is measured beside it. Prints one JSON document. On a busy machine look
at `processor_ratio` first: the processor time of a request depends least on who else is computing.
"""

import argparse
import base64
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hematovision.config import load_config
from hematovision.data.decoding import encode_png
from hematovision.home import PROJECT, Home
from hematovision.registry.mlflow_registry import Evidence, register
from hematovision.registry.package import package_digest
from hematovision.registry.predictor import Predictor
from hematovision.serving.access import open_keys
from tests.serving.running import answers, free_port
from tests.serving.small_models import NAME, build_random_model, promote_without_review

PATIENCE_SECONDS = 180
WARM_UP = 16
PAUSE_SECONDS = 0.004


def drawn(count: int, side: int) -> list[bytes]:
    """Different PNGs of the size the network takes."""
    chosen = np.random.default_rng(1)
    picture = chosen.integers(0, 256, (side, side, 3), dtype=np.uint8)
    made = []
    for number in range(count):
        picture[:2, :2] = np.frombuffer(number.to_bytes(12, "big"), np.uint8).reshape(2, 2, 3)
        made.append(encode_png(picture))
    return made


def registered(home: Home, package: Path, picture: bytes) -> None:
    """Register the package as a run would, as champion."""
    reference = home.root / "reference"
    reference.mkdir()
    (reference / "none.txt").write_text("no reference\n")
    evidence = Evidence({}, {}, [], {}, {}, {"model_digest": package_digest(package)})
    made = register(home, NAME, package, reference, picture, evidence, lambda _: None, database=None)
    from mlflow import MlflowClient

    promote_without_review(MlflowClient(home.tracking_uri), home, NAME, made.version)


@dataclass
class Rival:
    """A server under load: how it is asked, and what was measured so far."""

    process: int
    port: int
    path: str
    headers: dict[str, str]
    body: Callable[[bytes], bytes]
    rounds: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    worked: float = 0.0
    failure: str | None = None

    def load(self, pictures: Sequence[bytes], clients: int) -> None:
        """One round: every picture once, from concurrent clients."""
        bodies = [self.body(picture) for picture in pictures]
        threads = [threading.Thread(target=self._ask, args=(bodies[start::clients],)) for start in range(clients)]
        started, before = time.perf_counter(), worked(self.process)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failure:
            raise SystemExit(self.failure)
        self.rounds.append(len(pictures) / (time.perf_counter() - started))
        self.worked += worked(self.process) - before

    def _ask(self, bodies: Sequence[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        for body in bodies:
            started = time.perf_counter()
            connection.request("POST", self.path, body, self.headers)
            answer = connection.getresponse()
            content = answer.read()
            self.seconds.append(time.perf_counter() - started)
            if answer.status != 200:
                self.failure = f"{self.path}: {answer.status} {content[-500:]!r}"
                break
        connection.close()

    def forget(self) -> None:
        """Begin to measure anew."""
        self.rounds.clear()
        self.seconds.clear()
        self.worked = 0.0

    def figures(self) -> dict[str, float]:
        """Requests per second, median of the rounds; milliseconds of all requests; processor time of one."""
        return {
            "per_second": round(float(np.median(self.rounds)), 1),
            **quantiles(self.seconds),
            "processor_ms": round(1000 * self.worked / len(self.seconds), 2),
        }


def quantiles(seconds: Sequence[float], name: str = "") -> dict[str, float]:
    """The median and the 99th percentile in milliseconds."""
    p50, p99 = np.quantile(seconds, [0.5, 0.99]) * 1000
    return {f"{name}p50_ms": round(float(p50), 2), f"{name}p99_ms": round(float(p99), 2)}


@contextmanager
def running(command: list[str], port: int, path: str, home: Home) -> Iterator[int]:
    """A server until it answers 200 at a path, and its end; yields the number of its process."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # mlflow looks for uvicorn there
    state = {"HEMATOVISION_HOME": str(home.root), "MLFLOW_TRACKING_URI": home.tracking_uri, "PATH": beside}
    log = home.root / f"{port}.log"
    with log.open("wb") as told:
        process = subprocess.Popen(command, stdout=told, stderr=told, env=os.environ | state, cwd=PROJECT)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(port, path):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(log.read_text()[-3000:])
            time.sleep(0.3)
        settle(process.pid)
        yield process.pid
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def worked(process: int) -> float:
    """Seconds of processor time a process and its children have used."""
    import psutil

    parent = psutil.Process(process)
    times = [each.cpu_times() for each in (parent, *parent.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def settle(process: int) -> None:
    """Wait until a server has done what it does after it began to answer."""
    before, busy = worked(process), True
    while busy:
        time.sleep(1)
        now = worked(process)
        before, busy = now, now - before > 0.1


def timed(work: Callable[[], object], count: int) -> list[float]:
    """Seconds of each call after the first few, with the pauses of a service that waits for its next request."""
    seconds = []
    for _ in range(count + 5):
        time.sleep(PAUSE_SECONDS)
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return seconds[5:]


def alone(package: Path, picture: bytes, state: Path, count: int) -> dict[str, float]:
    """What no service can save: the network's forward pass, the decoding, and a write that reaches the disk.

    With the cores that the service gives its network, and with pauses: between two requests caches forget the weights.
    """
    predictor = Predictor.load(package, threads=load_config().serving.cores_of_the_network)
    pixels, _ = predictor.pixels(picture)
    with tempfile.TemporaryFile(dir=state) as file:

        def write() -> None:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())

        return (
            quantiles(timed(lambda: predictor._network(pixels[None]), count), "network_")
            | quantiles(timed(lambda: predictor.pixels(picture), count), "decoding_")
            | quantiles(timed(write, count), "disk_")
        )


@contextmanager
def rivals(home: Home) -> Iterator[tuple[Rival, Rival]]:
    """Both servers of the champion: MLflow's, and the service."""
    with ExitStack() as stack:
        port = free_port()
        command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", f"models:/{NAME}/1"]
        command += ["-p", str(port), "--env-manager", "local"]
        process = stack.enter_context(running(command, port, "/ping", home))
        theirs = Rival(process, port, "/invocations", {"Content-Type": "application/json"}, as_table)
        port = free_port()
        command = [sys.executable, "-m", "hematovision", "serve", "--port", str(port)]
        key = open_keys(home, None).add("benchmark", "predict")[1]
        headers = {"Content-Type": "image/png", "Authorization": f"Bearer {key}"}
        process = stack.enter_context(running(command, port, "/readyz", home))
        yield theirs, Rival(process, port, "/v1/predictions", headers, lambda picture: picture)


def as_table(picture: bytes) -> bytes:
    """A picture as MLflow's server takes it."""
    table = {"columns": ["image"], "data": [[base64.b64encode(picture).decode()]]}
    return json.dumps({"dataframe_split": table}).encode()


def compare(
    pair: tuple[Rival, Rival], pictures: Sequence[bytes], *, clients: int, requests: int, rounds: int
) -> list[dict[str, float]]:
    """Rounds of either in turn, beginning with the other each time; the pictures of a round are new."""
    for rival in pair:
        rival.load(pictures[:WARM_UP], clients)
        rival.forget()
    for number in range(rounds):
        start = WARM_UP + number * requests
        for rival in pair if number % 2 else pair[::-1]:
            rival.load(pictures[start : start + requests], clients)
    return [rival.figures() for rival in pair]


def main() -> None:
    """Measure both and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = {"clients": 8, "requests": 400, "rounds": 5, "side": 96, "orientations": 1}
    for name, default in usual.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--state", type=Path, help="where the temporary home lies; the usual place for such")
    asked = vars(parser.parse_args())
    state: Path | None = asked.pop("state")
    with tempfile.TemporaryDirectory(dir=state) as folder:
        print(json.dumps(asked | measure(Home(Path(folder)), **asked), indent=2))


def measure(home: Home, *, clients: int, requests: int, rounds: int, side: int, orientations: int) -> dict[str, object]:
    """Everything, with the ratios."""
    pictures = drawn(WARM_UP + rounds * requests, side)
    package = build_random_model(home.root / "package", side=side, orientations=orientations)
    registered(home, package, pictures[0])
    result: dict[str, object] = {"load_average": os.getloadavg()[0]}
    with rivals(home) as pair:
        parts = alone(package, pictures[0], home.root, 300)
        theirs, ours = compare(pair, pictures, clients=clients, requests=requests, rounds=rounds)
        singly = drawn(2 * len(pictures), side)[len(pictures) :]
        their_one, our_one = compare(pair, singly, clients=1, requests=requests // 4, rounds=rounds)
    unavoidable = parts["network_p50_ms"] + parts["decoding_p50_ms"]
    return result | {
        "alone": parts,
        "mlflow": theirs,
        "hematovision": ours,
        "mlflow_one_client": their_one,
        "hematovision_one_client": our_one,
        "throughput_ratio": round(ours["per_second"] / theirs["per_second"], 2),
        "p99_ratio": round(ours["p99_ms"] / theirs["p99_ms"], 3),
        "processor_ratio": round(theirs["processor_ms"] / ours["processor_ms"], 2),
        "overhead_p50_ms": round(our_one["p50_ms"] - unavoidable, 2),
        "overhead_p99_ms": round(our_one["p99_ms"] - unavoidable, 2),
        "overhead_p99_less_disk_ms": round(our_one["p99_ms"] - unavoidable - parts["disk_p50_ms"], 2),
    }


if __name__ == "__main__":
    from hematovision.home import activate_home

    activate_home()
    main()
