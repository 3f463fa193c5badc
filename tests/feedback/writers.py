"""Writers that submit corrections while they live, and a parent that kills them; `python -m` runs 200 kills."""

import json
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hematovision.feedback.records import Correction
from hematovision.home import Home
from hematovision.ledger import open_ledger
from tests.feedback.cells import store_at, tiny

PICTURES = [tiny(number) for number in range(8)]


def write(root: Path, writer: int, begin: int, acknowledge: Callable[[str, str], None]) -> None:
    """Submit corrections `begin`, `begin` + 1, …, a senior deciding on every fifth; tell of each when it is kept."""
    store = store_at(root)
    number = begin
    while True:
        key = f"w{writer}-{number}"
        said = {"image": PICTURES[(writer + number) % 8], "label": "monocyte", "role": "predict", "source": "test"}
        item = store.submit(Correction(**said, by=f"writer {writer}", client_key=key))
        if number % 5 == 0:
            store.adjudicate(item.id, "accept", "eve", "senior")
        acknowledge(key, item.id)
        number += 1


class Writer:
    """A forked process, and what it has acknowledged so far."""

    def __init__(self, root: Path, number: int) -> None:
        self.root, self.number = root, number
        self.acknowledged: list[tuple[str, str]] = []
        self._rest = b""
        self._fork(0)

    def _fork(self, begin: int) -> None:
        self.reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.reading)
            try:
                write(self.root, self.number, begin, lambda key, item: _tell(writing, key, item))
            except BaseException as error:
                _tell(writing, "", repr(error))
            finally:
                os._exit(1)
        os.close(writing)
        os.set_blocking(self.reading, False)

    def collect(self) -> None:
        """Read what the process has acknowledged."""
        try:
            while chunk := os.read(self.reading, 1 << 16):
                self._rest += chunk
        except BlockingIOError:
            pass
        *lines, self._rest = self._rest.split(b"\n")
        for line in lines:
            key, item = json.loads(line)
            assert key, f"a writer failed: {item}"
            self.acknowledged.append((key, item))

    def kill(self) -> None:
        """Kill -9, and read what was acknowledged before."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.collect()
        self._rest = b""
        os.close(self.reading)

    def replace(self) -> None:
        """A new process that goes on with the correction the killed one may or may not have brought to disk."""
        self._fork(len(self.acknowledged))


def _tell(pipe: int, key: str, item: str) -> None:
    os.write(pipe, json.dumps([key, item]).encode() + b"\n")


def kill_writers(root: Path, *, writers: int, kills: int, seed: int, wait: float = 0.05) -> dict[str, int]:
    """Kill random writers at random moments, two acknowledged records or more to a kill, and look what is there.

    Raises:
        AssertionError: an acknowledged record is missing, doubled or another, or the ledger lacks a decision.
    """
    chosen = random.Random(seed)
    store_at(root).engine.dispose()
    running = [Writer(root, number) for number in range(writers)]
    for kill in range(kills):
        while sum(len(one.acknowledged) for one in running) <= 2 * kill:
            select.select([one.reading for one in running], [], [], 1)
            for one in running:
                one.collect()
        time.sleep(chosen.uniform(0, 2 * wait))
        victim = chosen.choice(running)
        victim.kill()
        victim.replace()
    for one in running:
        one.kill()
    return audit(root, [pair for one in running for pair in one.acknowledged])


def audit(root: Path, acknowledged: list[tuple[str, str]]) -> dict[str, int]:
    """Compare what was acknowledged, as pairs of client key and item, with what the store of a home holds."""
    store = store_at(root)
    items = store.items()
    keys = Counter(item.client_key for item in items)
    assert set(keys.values()) <= {1}, "a correction is there twice"
    there = {item.client_key: item.id for item in items}
    assert len(acknowledged) == len(set(acknowledged)) and all(there.get(key) == item for key, item in acknowledged)
    decisions = [event for item in items for event in store.history(item.id) if event.action != "submitted"]
    told = Counter(record.unique for record in open_ledger(Home(root), None).records(kind="feedback"))
    assert told == Counter(f"feedback:{event.item}:{event.number}" for event in decisions), "the ledger differs"
    assert all(store.picture(item.image) for item in items)
    return {"acknowledged": len(acknowledged), "there": len(items), "decisions": len(decisions)}


if __name__ == "__main__":
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        found = kill_writers(Path(folder), writers=16, kills=kills, seed=1)
        json.dump({"kills": kills, **found, "seconds": round(time.monotonic() - begun, 1)}, sys.stdout)
