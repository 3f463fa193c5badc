"""A service as a user starts it: `hematovision serve` in a process of its own, on a free port."""

import json
import os
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
    "serving": {"poll_seconds": 0.3, "key_seconds": 0, "port": 0, "limits": LIMITS, "shadow": CHALLENGER}
}


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


def _environment(home: Home) -> dict[str, str]:
    """Of a process whose state is all in this home; MLflow leaves its last address in the environment."""
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return kept | {"HEMATOVISION_HOME": str(home.root), "OMP_NUM_THREADS": "1"}


@contextmanager
def running_service(folder: Path, champion: Path, challenger: Path) -> Iterator[Running]:
    """Register two packages, make keys, start the service, and end it as an operator would."""
    home = Home(folder / "home")
    registry = SmallRegistry(home)
    registry.add(champion, alias="champion")
    registry.add(challenger, alias="challenger")
    store = open_keys(home, None)
    keys: dict[Role, str] = {role: store.add(f"{role} bench", role)[1] for role in ROLES}
    config = folder / "service.yaml"
    config.write_text(yaml.safe_dump(SETTINGS))
    log = folder / "service.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from hematovision.cli import main; main()",
                "serve",
                "--json",
                "--config",
                str(config),
            ],
            env=_environment(home),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            assert process.stdout is not None
            told = process.stdout.readline()
            assert told, log.read_text()
            yield Running(json.loads(told)["address"], home, registry, store, keys, log, process)
        finally:
            process.terminate()
            process.wait(30)
