"""What pipeline runs are known: plain records that the pipelines hand in, since the library knows no ZenML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from hematovision.lineage.graph import Link, Links, Node, Room
from hematovision.lineage.snapshot import Snapshot
from hematovision.lineage.things import Thing

SHORTEST_PREFIX = 6


@dataclass(frozen=True)
class RunRecord:
    """One pipeline run; times are UTC in ISO 8601, or empty; `data_version` is what its ingest step told."""

    id: str
    pipeline: str
    name: str
    status: str
    started: str
    ended: str
    data_version: str | None


class History(Protocol):
    """Where runs are known."""

    def runs(self) -> Sequence[RunRecord]:
        """All of them; asked once."""
        ...

    def steps(self, run_id: str) -> Mapping[str, str]:
        """The steps of one run with how each ended, in order."""
        ...

    @property
    def unread(self) -> Sequence[str]:
        """Why runs cannot be told, in words; empty where they can."""
        ...


class RunReader:
    """Pipeline runs and the data they read."""

    def __init__(self, history: History) -> None:
        self.history = history

    @property
    def unread(self) -> Sequence[str]:
        """What could not be read."""
        return self.history.unread

    @cached_property
    def _runs(self) -> Mapping[str, RunRecord]:
        return {run.id: run for run in self.history.runs()}

    @cached_property
    def _links(self) -> Snapshot:
        return Snapshot(
            Link(Thing("run", run.id), Thing("data", run.data_version), "read")
            for run in self._runs.values()
            if run.data_version
        )

    def describe(self, thing: Thing, *, near: bool) -> Node | None:
        """Runs, with their steps where `near`."""
        if thing.kind != "run":
            return None
        run = self._runs.get(thing.identity)
        if run is None:
            return Node(thing, missing=tuple(self.unread) or ("ZenML has no such run (any more)",))
        told = {"pipeline": run.pipeline, "name": run.name, "status": run.status, "started": run.started}
        facts = {name: value for name, value in {**told, "ended": run.ended}.items() if value}
        if near:
            steps = self.history.steps(run.id)
            facts["steps"] = ", ".join(f"{name} {status}" for name, status in steps.items())
        return Node(thing, facts, () if run.data_version else ("the run tells no data version",))

    def above(self, thing: Thing, *, room: Room) -> Links:  # noqa: ARG002 - one
        """From a run to its data."""
        return self._links.above(thing) if thing.kind == "run" else Links()

    def below(self, thing: Thing, *, room: Room) -> Links:  # noqa: ARG002 - all runs of the data are shown
        """From data to the runs that read them."""
        return self._links.below(thing) if thing.kind == "data" else Links()

    def beside(self, thing: Thing) -> tuple[Link, ...]:  # noqa: ARG002 - no records
        """Nothing."""
        return ()

    def search(self, text: str) -> list[Thing]:
        """A run's id, its beginning or its name."""
        long = len(text) >= SHORTEST_PREFIX
        runs = self._runs.values()
        return [Thing("run", run.id) for run in runs if (long and run.id.startswith(text)) or run.name == text]
