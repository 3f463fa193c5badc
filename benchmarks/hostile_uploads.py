"""Thousands of hostile uploads against a running service: no answer of 5xx, memory bounded, the next good one answered.

python benchmarks/hostile_uploads.py [count] – starts a service of its own with a small model.
"""

import socket
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

from tests.serving.hostile import GOOD, hostile
from tests.serving.running import Running, running_service
from tests.serving.small_models import build_small_model, variant

THREADS = 8


def resident(running: Running) -> int:
    """MiB of the service's process."""
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


def send(running: Running, numbers: range, seen: "Counter[int]") -> None:
    """Uploads with these numbers, one after the other; every hundredth a slow client or a flood without end."""
    with running.client() as client:
        for number in numbers:
            if number % 100 == 99:
                misbehave(running, flood=number % 200 == 199)
            kind, body = hostile(number)
            seen[client.post("/v1/predictions", content=body, headers={"Content-Type": kind}).status_code] += 1


def misbehave(running: Running, *, flood: bool) -> None:
    """A client that sends without end, or hardly at all, until it is cut off."""
    host, port = running.address.removeprefix("http://").split(":")
    opening = f"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.keys['predict']}\r\n"
    chunk = b"c350\r\n" + bytes(50_000) + b"\r\n" if flood else b"1\r\nx\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        try:
            connection.sendall(f"{opening}Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(500 if flood else 1):
                connection.sendall(chunk)
            while connection.recv(65536):
                pass
        except OSError:
            return


def main(count: int) -> None:
    """Send, and tell."""
    with tempfile.TemporaryDirectory() as folder:
        package = build_small_model(Path(folder) / "package")
        second = variant(package, Path(folder) / "second", data_version="second")
        with running_service(Path(folder) / "service", package, second) as running:
            seen, before = Counter[int](), resident(running)
            threads = [
                threading.Thread(target=send, args=(running, range(start, count, THREADS), seen))
                for start in range(THREADS)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            with running.client() as client:
                good = client.post("/v1/predictions", content=GOOD["image/png"], headers={"Content-Type": "image/png"})
            after = resident(running)
    print(f"{sum(seen.values())} uploads, answers by status {dict(sorted(seen.items()))}")
    print(f"resident memory {before} MiB before, {after} MiB after; the next good request: {good.status_code}")
    if good.status_code != 200 or any(status >= 500 for status in seen):
        raise SystemExit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
