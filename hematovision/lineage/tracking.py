"""What a lineage asks of MLflow: the registered versions and the runs that logged them; nothing is ever written."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from hematovision.lineage.things import Thing

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
"""What MLflow keeps its tables in; the scheme of a URI may name a driver after a plus sign."""


@dataclass(frozen=True)
class Version:
    """One registered version; `created` is UTC in ISO 8601."""

    name: str
    number: str
    run_id: str
    created: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]

    @property
    def thing(self) -> Thing:
        """What a lineage calls it."""
        return Thing("model", f"{self.name}/{self.number}")


@dataclass(frozen=True)
class TrackedRun:
    """One MLflow run; `lifecycle` is `active` or `deleted`, `artifacts` the URI they lie under."""

    name: str
    status: str
    lifecycle: str
    parameters: Mapping[str, str]
    artifacts: str


class Tracking(Protocol):
    """An MLflow store."""

    def versions(self) -> Sequence[Version]:
        """Every version that is not deleted, the one changed last first; prompts are none.

        Raises:
            HematoVisionError: the store cannot be read.
        """
        ...

    def run(self, run_id: str) -> TrackedRun | None:
        """A run, deleted ones too; None where there is none (any more).

        Raises:
            HematoVisionError: the store cannot be read.
        """
        ...


def open_tracking(uri: str) -> Tracking:
    """Whoever can answer for a tracking URI.

    A database is read as it is: MLflow's own client makes missing tables when it opens one. Servers, and databases
    divided into workspaces, are asked through the client.
    """
    divided = os.environ.get("MLFLOW_ENABLE_WORKSPACES", "").lower() in ("true", "1")
    if urlsplit(uri).scheme.partition("+")[0] in DATABASES and not divided:
        from hematovision.lineage.mlflow_database import DatabaseTracking

        return DatabaseTracking(uri)
    from hematovision.lineage.mlflow_client import ClientTracking

    return ClientTracking(uri)
