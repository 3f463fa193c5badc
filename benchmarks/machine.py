"""The machine a benchmark ran on, and how busy it was with other work."""

import os
import time
from typing import Any

from hematovision.provenance import hardware

LOADED = 0.25
"""Load per core before a run, above which its figures are marked as taken beside other work."""


def describe() -> dict[str, Any]:
    """Processor, cores, memory in GiB, system, and the load averages of 1, 5 and 15 minutes."""
    found = hardware()
    return {
        "processor": found.processor,
        "cores": found.cores,
        "memory_gib": None if found.memory is None else round(found.memory / 2**30, 1),
        "system": f"{found.system} {found.architecture}",
        "load": load(),
        "time": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    }


def load() -> list[float]:
    """Load averages of the last 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def in_words(machine: dict[str, Any]) -> str:
    """One line about it."""
    memory = "" if machine["memory_gib"] is None else f", {machine['memory_gib']:.0f} GiB"
    before = " / ".join(f"{value:.2f}" for value in machine["load"])
    return (
        f"{machine['processor']}, {machine['cores']} cores{memory}, {machine['system']}; {machine['time']}; "
        f"load before the first run {before} (1, 5, 15 minutes)"
    )


def busy(machine: dict[str, Any]) -> bool:
    """Whether other work was running when the benchmark began."""
    return bool(machine["load"][0] > LOADED * machine["cores"])
