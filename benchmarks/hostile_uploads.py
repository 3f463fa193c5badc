"""Thousands of hostile uploads against a running service: no answer of 5xx, memory bounded, the next good one answered.

    python -m benchmarks.hostile_uploads [--uploads 10000] [--clients 8] [--cap-mib 1536]

A service of its own with a small model and the shipped limits, but for the seconds a body may take. Bombs, truncated,
mutated and polyglot pictures, wrong types and broken forms (`tests/serving/hostile.py`, by number); every hundredth
upload is preceded by a flood without end or by a client that hardly sends. Prints one JSON document; fails where one
answer is 5xx, resident memory exceeds the cap at any time, or the next good request is not answered.
"""

import argparse
import json
import os
import socket
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from tests.serving.hostile import GOOD, KINDS, hostile
from tests.serving.running import Running, running_service
from tests.serving.small_models import build_small_model, variant

SETTINGS = {"serving": {"port": 0, "limits": {"header_seconds": 2.0, "body_seconds": 3.0}}}
READ_EVERY_SECONDS = 0.1


def send(running: Running, numbers: range, seen: "Counter[str]") -> None:
    """Uploads with these numbers, one after the other; counts answers by kind of upload and status."""
    with running.client() as client:
        for number in numbers:
            if number % 100 == 99:
                flood = number % 200 == 199
                seen[f"{'flood' if flood else 'slow'} {misbehave(running, flood=flood)}"] += 1
            kind, body = hostile(number)
            answer = client.post("/v1/predictions", content=body, headers={"Content-Type": kind})
            seen[f"{KINDS[number % len(KINDS)].__name__.strip('_')} {answer.status_code}"] += 1


def misbehave(running: Running, *, flood: bool) -> str:
    """A client that sends without end, or hardly at all, until it is cut off; the status it was told, if any."""
    host, port = running.address.removeprefix("http://").split(":")
    opening = f"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.keys['predict']}\r\n"
    chunk = b"c350\r\n" + bytes(50_000) + b"\r\n" if flood else b"1\r\nx\r\n"
    told = b""
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        try:
            connection.sendall(f"{opening}Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(2000 if flood else 1):
                connection.sendall(chunk)
            while received := connection.recv(65536):
                told += received
        except OSError:
            return told[9:12].decode() or "cut off"
    return told[9:12].decode() or "cut off"


def attack(running: Running, *, uploads: int, clients: int) -> tuple["Counter[str]", int]:
    """Everything, from concurrent clients; the answers, and the most KiB the service held meanwhile."""
    seen: list[Counter[str]] = [Counter() for _ in range(clients)]
    threads = [
        threading.Thread(target=send, args=(running, range(start, uploads, clients), seen[start]))
        for start in range(clients)
    ]
    for thread in threads:
        thread.start()
    peak = 0
    while any(thread.is_alive() for thread in threads):
        time.sleep(READ_EVERY_SECONDS)
        peak = max(peak, running.resident())
    return sum(seen, Counter()), peak


def measure(folder: Path, *, uploads: int, clients: int) -> dict[str, object]:
    """Send, and look at what is left; memory in MiB."""
    package = build_small_model(folder / "package")
    second = variant(package, folder / "second", data_version="second")
    begun = time.monotonic()
    with running_service(folder / "service", package, second, SETTINGS) as running, running.client() as client:
        before = running.resident()
        seen, peak = attack(running, uploads=uploads, clients=clients)
        good = client.post("/v1/predictions", content=GOOD["image/png"], headers={"Content-Type": "image/png"})
        after = running.resident()
    return {
        "answers": sum(seen.values()),
        "server_errors": sum(count for kind, count in seen.items() if kind.split()[-1].startswith("5")),
        "by_kind_and_status": dict(sorted(seen.items())),
        "next_good_request": good.status_code,
        "before_mib": before // 1024,
        "peak_mib": peak // 1024,
        "after_mib": after // 1024,
        "seconds": round(time.monotonic() - begun),
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    """Send, tell and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("uploads", 10_000), ("clients", 8), ("cap-mib", 1536)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), uploads=asked["uploads"], clients=asked["clients"])
    print(json.dumps(asked | found, indent=2))
    if found["server_errors"] or found["next_good_request"] != 200 or int(str(found["peak_mib"])) > asked["cap_mib"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
