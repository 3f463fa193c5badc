"""A schedule handed to an orchestrator: which pipeline, which parameters, and what cannot be."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hematovision.errors import HematoVisionError, UsageError
from hematovision.scheduling import engines
from hematovision.scheduling.firings import Firings
from pipelines.scheduling import activate_schedule, remove_schedule, schedule_pipeline
from tests.scheduling.bench import START, schedule, scheduling, stored


def _client(schedulable: bool = True, updates: bool = True, deletions: bool = True) -> Any:
    orchestrator = SimpleNamespace(
        name="cluster",
        flavor="kubernetes",
        config=SimpleNamespace(is_schedulable=schedulable),
        supports_schedule_updates=updates,
        supports_schedule_deletion=deletions,
    )
    done: list[Any] = []
    return SimpleNamespace(
        active_stack=SimpleNamespace(orchestrator=orchestrator),
        get_schedule=lambda name, **_: SimpleNamespace(id=f"id of {name}"),
        update_schedule=lambda number, active: done.append((number, active)),
        delete_schedule=done.append,
        done=done,
    )


@dataclass
class Pipeline:
    """Takes what it is given."""

    refuses: str | None = None
    given: list[Any] = field(default_factory=list)

    def with_options(self, *, schedule: Any) -> Any:
        def run(**parameters: Any) -> None:
            if self.refuses:
                raise RuntimeError(self.refuses)
            self.given.append((schedule, parameters))

        return run


def test_a_pipeline_is_handed_over_with_its_line_and_parameters() -> None:
    pipeline = Pipeline()
    number = schedule_pipeline(pipeline, "nightly", {"path": "/cells"}, cron="0 2 * * *", client=_client())
    ((handed, parameters),) = pipeline.given
    assert (number, handed.name, handed.cron_expression) == ("id of nightly", "nightly", "0 2 * * *")
    assert parameters == {"path": "/cells"}


def test_an_interval_is_handed_over_too() -> None:
    pipeline = Pipeline()
    schedule_pipeline(pipeline, "hourly", {}, interval_seconds=3600, client=_client())
    assert pipeline.given[0][0].interval_second.total_seconds() == 3600


def test_an_orchestrator_without_a_clock_names_the_engine_that_has_one() -> None:
    with pytest.raises(UsageError, match="--engine embedded"):
        schedule_pipeline(Pipeline(), "nightly", {}, cron="0 2 * * *", client=_client(schedulable=False))


def test_what_the_orchestrator_refuses_is_said() -> None:
    with pytest.raises(HematoVisionError, match="no cron job"):
        schedule_pipeline(Pipeline("no cron job"), "nightly", {}, cron="0 2 * * *", client=_client())


def test_an_orchestrator_that_cannot_pause_or_delete_says_so_instead_of_pretending() -> None:
    able, unable = _client(), _client(updates=False, deletions=False)
    activate_schedule("x", False, client=able)
    remove_schedule("x", client=able)
    assert able.done == [("x", False), "x"]
    with pytest.raises(UsageError, match="cannot pause"):
        activate_schedule("x", False, client=unable)
    with pytest.raises(UsageError, match="own tool"):
        remove_schedule("x", client=unable)
    assert unable.done == []


class Paper:
    """An orchestrator on paper."""

    def __init__(self) -> None:
        self.did: list[Any] = []

    def add(self, kept: Any) -> str:
        self.did.append(("add", kept.name))
        return "number"

    def set_active(self, number: str, active: bool) -> None:
        self.did.append((number, active))

    def remove(self, number: str) -> None:
        self.did.append(("remove", number))


def test_one_interface_two_engines(tmp_path: Path) -> None:
    store, paper = stored(tmp_path), Paper()
    kept = engines.add(store, schedule("away", engine="zenml"), paper)
    assert (kept.engine_id, kept.next_due) == ("number", None)
    engines.add(store, schedule("here"), paper)
    with pytest.raises(UsageError, match="already"):
        engines.add(store, schedule("away", engine="zenml"), paper)
    for name in ("away", "here"):
        assert engines.pause(store, name, paper).paused
        assert not engines.resume(store, name, START, paper).paused
        engines.remove(store, name, START, paper)
    assert paper.did == [("add", "away"), ("number", False), ("number", True), ("remove", "number")]
    assert store.all() == []


def test_an_orchestrators_schedule_is_not_fired_by_a_daemon_after_a_pause(tmp_path: Path) -> None:
    store, paper = stored(tmp_path), Paper()
    engines.add(store, schedule("away", engine="zenml"), paper)
    engines.pause(store, "away", paper)
    assert engines.resume(store, "away", START, paper).engine == "zenml"
    assert Firings(store.engine, scheduling()).claim(START + timedelta(days=1)) == []


@pytest.mark.slow  # it imports everything a pipeline does
@pytest.mark.parametrize(
    ("command", "name"),
    [
        (("run", "--folds", "3"), "training_pipeline"),
        (("train",), "candidate_pipeline"),
        (("ingest",), "ingestion_pipeline"),
        (("monitor", "--model", "m", "--data", "d"), "monitoring_pipeline"),
        (("evaluate", "--model", "m", "--data", "d"), "evaluation_pipeline"),
    ],
)
def test_a_command_is_its_pipeline(command: tuple[str, ...], name: str) -> None:
    from hematovision.cli.schedule_orchestrator import pipeline_of

    pipeline, parameters = pipeline_of(command)
    assert pipeline.name == name
    assert Path(parameters["path"]).is_absolute()
    if command[0] == "run":
        assert parameters["config"].split.folds == 3
    with pytest.raises(UsageError, match="no ZenML pipeline"):
        pipeline_of(("backbones",))
