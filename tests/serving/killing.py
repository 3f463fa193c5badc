"""Clients that predict and correct over HTTP while the service is killed again and again.

Each start is forked from a process that has the libraries loaded, so that a kill costs a second, not ten; what is
forked is the whole `hematovision serve`, from reading its configuration on.
"""

import multiprocessing
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from hematovision.learning.inference import import_openvino
from hematovision.serving.access import KeyStore
from tests.feedback.cells import store_at, tiny
from tests.feedback.writers import audit
from tests.serving.running import SETTINGS, Place, answers, environment, prepare
from tests.serving.small_models import CLASSES

PICTURES = [tiny(number) for number in range(24)]
AS_PNG = {"Content-Type": "image/png"}
PATIENCE_SECONDS = 120
_PRELOADED = ["hematovision.cli.serving", "hematovision.serving.application", "hematovision.serving.champion"]
_PRELOADED += ["hematovision.serving.server", "mlflow", "torch", "tests.serving.killing"]
import_openvino()  # preloaded too, without its telemetry


def serve(config: str, log: str, variables: Mapping[str, str]) -> None:
    """`hematovision serve`, in a forked process."""
    os.environ.clear()
    os.environ.update(variables)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.argv = ["hematovision", "serve", "--json", "--config", config]
    from hematovision.cli import main

    main()


@dataclass
class Service:
    """The service of a place, at a port that stays the same; killed and started from outside."""

    place: Place
    port: int
    process: Any = None

    @property
    def address(self) -> str:
        """Where it listens while it lives."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin; it answers later."""
        context = multiprocessing.get_context("forkserver")
        variables = environment(self.place.home)
        self.process = context.Process(target=serve, args=(str(self.place.config), str(self.place.log), variables))
        self.process.start()

    def await_answers(self) -> None:
        """Until it is ready."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(self.port, "/readyz"):
            assert self.process.is_alive() and time.monotonic() < deadline, self.place.log.read_text()[-3000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.join()


@dataclass
class Writer:
    """A client with a key of its own: predicts, corrects, and tries again until either is acknowledged."""

    address: str
    number: int
    key: str
    stop: threading.Event
    predicted: list[str] = field(default_factory=list)
    corrected: list[tuple[str, str]] = field(default_factory=list)
    tried_again: int = 0
    failure: str | None = None

    def write(self) -> None:
        """Until told to stop."""
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.address, headers=headers, timeout=10) as client:
            number = 0
            while not self.stop.is_set() and self.failure is None:
                self._correct(client, number)
                number += 1

    def _correct(self, client: httpx.Client, number: int) -> None:
        picture = PICTURES[(number + self.number) % len(PICTURES)]
        found = self._insist(client, "/v1/predictions", {"content": picture, "headers": AS_PNG}, 200)
        if found is None:
            return
        prediction = found["predictions"][0]["id"]
        self.predicted.append(prediction)
        key = f"w{self.number}-{number}"
        said = {"prediction_id": prediction, "label": CLASSES[number % len(CLASSES)], "client_key": key}
        item = self._insist(client, "/v1/feedback", {"json": said}, 201)
        if item is not None:
            self.corrected.append((key, item["id"]))

    def _insist(self, client: httpx.Client, path: str, sent: Mapping[str, Any], wanted: int) -> dict[str, Any] | None:
        while not self.stop.is_set():
            try:
                answer = client.post(path, **sent)
            except httpx.TransportError:
                self.tried_again += 1
                self.stop.wait(0.02)
                continue
            if answer.status_code == wanted:
                found: dict[str, Any] = answer.json()
                return found
            if answer.status_code not in (429, 503):
                self.failure = f"{path}: {answer.status_code} {answer.text[:300]}"
                return None
            self.stop.wait(0.02)
        return None


@contextmanager
def writing(address: str, keys: KeyStore, count: int) -> Iterator[list[Writer]]:
    """Writers at work until the end of the block."""
    stop = threading.Event()
    writers = [Writer(address, number, keys.add(f"writer {number}", "predict")[1], stop) for number in range(count)]
    threads = [threading.Thread(target=writer.write) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield writers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def kill_service(
    folder: Path, champion: Path, challenger: Path, *, port: int, writers: int, kills: int, seed: int
) -> dict[str, int]:
    """Kill the service at random moments of its start and of its work, and look what is there.

    Raises:
        AssertionError: an acknowledged prediction or correction is missing, doubled or another; the ledger lacks a
            decision; a database is damaged; a request was answered otherwise than with success, 429 or 503.
    """
    chosen = random.Random(seed)
    serving = SETTINGS["serving"] | {"port": port}
    service = Service(prepare(folder, champion, challenger, SETTINGS | {"serving": serving}), port)
    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)
    with writing(service.address, service.place.store, writers) as busy:
        for _ in range(kills):
            service.start()
            if chosen.random() < 0.75:
                service.await_answers()
            time.sleep(chosen.uniform(0, 1))
            service.kill()
        service.start()
        service.await_answers()
        time.sleep(1)
    service.kill()
    assert not [writer.failure for writer in busy if writer.failure], busy
    return _look(service.place, busy)


def _look(place: Place, writers: list[Writer]) -> dict[str, int]:
    store = store_at(place.home.root)
    predicted = [identity for writer in writers for identity in writer.predicted]
    for identity in predicted:
        kept = store.prediction(identity)
        assert kept is not None, f"{identity} was answered and is not on record"
        assert store.picture(kept.image)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    found = audit(place.home.root, [pair for writer in writers for pair in writer.corrected])
    again = sum(writer.tried_again for writer in writers)
    return {"predictions": len(predicted), **found, "tried_again": again}
