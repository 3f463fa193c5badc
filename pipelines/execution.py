"""Starts a pipeline on the active stack and gives back its artifacts."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from hematovision.errors import GateRefused
from hematovision.home import locate_home
from hematovision.learning.memory import keep_freed_memory


@dataclass(frozen=True)
class FinishedRun:
    """A run that ended, one way or the other."""

    run: Any

    def has(self, step: str) -> bool:
        """Whether a step of this name ended well."""
        return step in self.run.steps and self.run.steps[step].status.is_successful

    def artifact(self, step: str, output: str) -> Any:
        """The value of a step's output."""
        return self.run.steps[step].outputs[output][0].load()


@contextmanager
def _under_way() -> Iterator[None]:
    """Hold a shared lock while a run lasts; where no other process holds it, clear up after killed ones first."""
    lock = locate_home().root / "runs.lock"
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _reap()
        except BlockingIOError:
            pass  # another run is under way, and nothing of its is ours to judge
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


def _reap() -> None:
    """Mark what a killed process left `running` as failed; ZenML itself never does on a local stack."""
    from zenml.client import Client
    from zenml.enums import ExecutionStatus
    from zenml.models import PipelineRunUpdate, StepRunUpdate

    client = Client()
    if client.zen_store.config.type != "sql":
        return
    for run in client.list_pipeline_runs(status="running", size=50, hydrate=True):
        for step in client.list_run_steps(pipeline_run_id=run.id, status="running", size=200):
            client.zen_store.update_run_step(step.id, StepRunUpdate(status=ExecutionStatus.FAILED))
        client.zen_store.update_run(run.id, PipelineRunUpdate(status=ExecutionStatus.FAILED))


def execute(pipeline: Any, *, refused: Callable[[FinishedRun], None] | None = None, **parameters: Any) -> FinishedRun:
    """Run a pipeline to its end.

    Args:
        refused: told of the run when a gate refuses, before the refusal is raised.
        parameters: of the pipeline.
    """
    keep_freed_memory()
    from zenml.client import Client

    name = f"{pipeline.name}-{uuid4().hex[:12]}"
    with _under_way():
        try:
            run = pipeline.with_options(run_name=name)(**parameters)
        except GateRefused:
            if refused:
                refused(FinishedRun(Client().get_pipeline_run(name)))
            raise
    return FinishedRun(Client().get_pipeline_run(run.id))
