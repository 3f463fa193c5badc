"""A hundred thousand requests against one service: does its memory grow?

    python -m benchmarks.serving_leak [--requests 100000] [--clients 4] [--warm-up 10000]

Nineteen requests in twenty are predictions of pictures that differ from each other; the others read a prediction back,
correct one, ask for the metrics or send what is no picture. Resident memory is read every thousand requests. Growth is
from the end of the warm-up, the median of five readings, to the last five. Prints one JSON document; fails above 5 %.
"""

import argparse
import itertools
import json
import os
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from hematovision.data.decoding import encode_png
from tests.serving.running import Running, running_service
from tests.serving.small_models import CLASSES, build_small_model, cell, variant

AS_PNG = {"Content-Type": "image/png"}
GROWTH_LIMIT = 0.05
READ_EVERY = 1000


class Asking:
    """What the clients share: numbers of requests to hand out, and what was seen."""

    def __init__(self, running: Running, requests: int) -> None:
        self.running = running
        self.seen: Counter[str] = Counter()
        self.memory: list[int] = []
        self._numbers = iter(range(requests))
        self._lock = threading.Lock()

    def ask(self) -> None:
        """One client, until there are no more numbers."""
        with self.running.client() as client:
            last = self._predict(client, 0)
            while (number := self._next()) is not None:
                if number % 20:
                    last = self._predict(client, number)
                else:
                    self._other(client, number // 20, last)

    def _next(self) -> int | None:
        with self._lock:
            number = next(self._numbers, None)
            if number is not None and number % READ_EVERY == 0:
                self.memory.append(self.running.resident())
            return number

    def _predict(self, client: httpx.Client, number: int) -> dict[str, Any]:
        picture = encode_png(cell((number % 256, number // 256 % 256, number // 65536), side=48))
        answer = client.post("/v1/predictions", content=picture, headers=AS_PNG)
        self._note("predict", answer, 200)
        found: dict[str, Any] = answer.json()["predictions"][0]
        return found

    def _other(self, client: httpx.Client, number: int, last: dict[str, Any]) -> None:
        kind = number % 4
        if kind == 0:
            self._note("read", client.get(f"/v1/predictions/{last['id']}"), 200)
        elif kind == 1:
            said = {"prediction_id": last["id"], "label": CLASSES[number % len(CLASSES)]}
            self._note("correct", client.post("/v1/feedback", json=said), 201)
        elif kind == 2:
            self._note("metrics", client.get("/metrics"), 200)
        else:
            answer = client.post("/v1/predictions", content=b"\x89PNG\r\n\x1a\n" + bytes(number % 2000), headers=AS_PNG)
            self._note("no picture", answer, 422)

    def _note(self, kind: str, answer: httpx.Response, wanted: int) -> None:
        if answer.status_code != wanted:
            raise SystemExit(f"{kind}: {answer.status_code} {answer.text[:300]}")
        with self._lock:
            self.seen[kind] += 1


def measure(folder: Path, *, requests: int, clients: int, warm_up: int) -> dict[str, object]:
    """Ask, and compare memory after the warm-up with memory at the end, in MiB."""
    package = build_small_model(folder / "package")
    second = variant(package, folder / "second", data_version="second")
    begun = time.monotonic()
    with running_service(folder / "service", package, second) as running:
        asking = Asking(running, requests)
        threads = [threading.Thread(target=asking.ask) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asking.memory.append(running.resident())
    readings = [reading / 1024 for reading in asking.memory]
    start = warm_up // READ_EVERY
    after, end = median(readings[start : start + 5]), median(readings[-5:])
    return {
        "seen": dict(asking.seen),
        "start_mib": round(readings[0], 1),
        "after_warm_up_mib": round(after, 1),
        "end_mib": round(end, 1),
        "growth": round(end / after - 1, 4),
        "every_tenth_mib": [round(reading, 1) for reading in itertools.islice(readings, 0, None, 10)],
        "seconds": round(time.monotonic() - begun),
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("requests", 100_000), ("clients", 4), ("warm-up", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), **asked)
    print(json.dumps(asked | found, indent=2))
    if float(str(found["growth"])) > GROWTH_LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
