"""A service as a user starts it: `hematovision serve` in a process of its own, on a free port."""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from hematovision.home import PROJECT, Home
from hematovision.serving.access import ROLES, KeyStore, Role, open_keys
from tests.serving.small_models import SmallRegistry

LIMITS = {
    "body_bytes": 600_000,
    "images": 6,
    "pixels": 1_000_000,
    "pixels_per_request": 1_500_000,
    "header_seconds": 1.0,
    "body_seconds": 1.0,
}
CHALLENGER = "models:/hematovision@challenger"
SETTINGS: dict[str, Any] = {
    "serving": {"poll_seconds": 0.3, "key_seconds": 0, "port": 0, "limits": LIMITS, "shadow": CHALLENGER},
    "feedback": {"suspicion": {"flood_minimum": 10_000}},  # all tests of a session correct with one key
}


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


@dataclass
class Running:
    """A running service, with a key of each role."""

    address: str
    home: Home
    registry: SmallRegistry
    store: KeyStore
    keys: Mapping[Role, str]
    log: Path
    process: "subprocess.Popen[bytes]"

    def client(self, role: Role | None = "predict") -> httpx.Client:
        """A client that shows the key of a role, or none."""
        headers = {"Authorization": f"Bearer {self.keys[role]}"} if role else {}
        return httpx.Client(base_url=self.address, headers=headers, timeout=30)

    def resident(self) -> int:
        """KiB of memory the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


def environment(home: Home) -> dict[str, str]:
    """Of a process whose state is all in this home; MLflow leaves its last address in the environment."""
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return kept | {"HEMATOVISION_HOME": str(home.root), "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Place:
    """A home with a champion, a challenger and keys, in which a service can be started, and started again."""

    home: Home
    registry: SmallRegistry
    store: KeyStore
    keys: Mapping[Role, str]
    config: Path
    log: Path

    def serve(self) -> "subprocess.Popen[bytes]":
        """`hematovision serve` in a process of its own; its standard output says where it listens, once it does."""
        command = [sys.executable, "-m", "hematovision", "serve", "--json", "--config", str(self.config)]
        with self.log.open("ab") as errors:
            return subprocess.Popen(
                command, env=environment(self.home), cwd=PROJECT, stdout=subprocess.PIPE, stderr=errors
            )


def prepare(folder: Path, champion: Path, challenger: Path, settings: Mapping[str, Any] = SETTINGS) -> Place:
    """Register two packages, make keys and write a configuration."""
    home = Home(folder / "home")
    registry = SmallRegistry(home)
    registry.add(champion, alias="champion")
    registry.add(challenger, alias="challenger")
    store = open_keys(home, None)
    keys: dict[Role, str] = {role: store.add(f"{role} bench", role)[1] for role in ROLES}
    config = folder / "service.yaml"
    config.write_text(yaml.safe_dump(dict(settings)))
    return Place(home, registry, store, keys, config, folder / "service.log")


@contextmanager
def running_service(
    folder: Path, champion: Path, challenger: Path, settings: Mapping[str, Any] = SETTINGS
) -> Iterator[Running]:
    """A service until the end of the block, ended as an operator would."""
    place = prepare(folder, champion, challenger, settings)
    process = place.serve()
    try:
        assert process.stdout is not None
        told = process.stdout.readline()
        assert told, place.log.read_text()
        address = json.loads(told)["address"]
        yield Running(address, place.home, place.registry, place.store, place.keys, place.log, process)
    finally:
        process.terminate()
        process.wait(30)
