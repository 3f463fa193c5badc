"""Where a rehearsal works: a folder with a home of its own, its settings, its keys, its logs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from hematovision.config import RunConfig
from hematovision.errors import UsageError
from hematovision.home import Home

_ELSEWHERE = ("HEMATOVISION_", "MLFLOW_", "ZENML_")
"""Variables that would lead a command to the user's own registry, keys or runs."""


@dataclass(frozen=True)
class Workplace:
    """The folder of one rehearsal."""

    root: Path

    @property
    def home(self) -> Home:
        """Registry, ledger, feedback and schedules of the rehearsal alone."""
        return Home(self.root / "home")

    @property
    def config(self) -> Path:
        """The settings of every command, all of them."""
        return self.root / "config.yaml"

    @property
    def keys(self) -> Path:
        """The reviewers' private keys, made for the rehearsal."""
        return self.root / "keys"

    @property
    def logs(self) -> Path:
        """What commands and processes said, a file each."""
        return self.root / "logs"

    def environment(self) -> dict[str, str]:
        """Of every process: the user's, without what names their registry; weights are looked for where theirs are."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_ELSEWHERE)}
        return kept | {"HEMATOVISION_HOME": str(self.home.root)}

    def write_config(self, config: RunConfig, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep the settings with changes to single sections."""
        settings = config.model_dump(mode="json")
        for section, changed in changes.items():
            settings[section] |= changed
        self.config.write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")


def open_workplace(home: Home, chosen: Path | None) -> Workplace:
    """A new folder, named by the time below the user's home, or the one that was chosen.

    Raises:
        UsageError: the chosen folder holds something.
    """
    root = (chosen or home.root / "loop" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}").expanduser().resolve()
    if root.is_dir() and any(root.iterdir()):
        raise UsageError(f"{root} is not empty; a rehearsal begins in a folder of its own.")
    for folder in (root, root / "keys", root / "logs"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Workplace(root)
