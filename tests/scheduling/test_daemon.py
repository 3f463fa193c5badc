"""The daemon: what a look at the clock does, what it takes over, how it leaves, what is said of its health."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hematovision.scheduling.daemon import Daemon
from hematovision.scheduling.firings import Firings
from hematovision.scheduling.health import health, register_daemon
from hematovision.scheduling.outcome import Outcome
from hematovision.scheduling.schedule import Firing
from tests.scheduling.bench import Clock, gone, schedule, scheduling, states, stored


@dataclass
class Launched:
    """A run as its daemon sees it; it ends when a test says so."""

    firing: Firing
    pid: int = 0
    code: int | None = None
    terminated: bool = False

    def poll(self) -> int | None:
        return self.code

    def terminate(self) -> None:
        self.terminated, self.code = True, 0


@dataclass
class Bench:
    """A daemon without processes."""

    tmp_path: Path
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store, self.clock = stored(self.tmp_path), Clock()
        self.settings = scheduling(**{"stop_seconds": 0, **self.changes})
        self.launched: list[Launched] = []
        self.said: list[str] = []
        self.daemon = Daemon(
            self.store, self.settings, self._launch, self.tmp_path / "logs", self.clock, self.said.append
        )
        self.firings: Firings = self.daemon.firings

    def _launch(self, firing: Firing, _: Path) -> Launched:
        self.launched.append(Launched(firing))
        return self.launched[-1]

    def begin(self, place: int = -1) -> None:
        firing = self.launched[place].firing
        assert self.firings.begin(firing.id, firing.token or "", self.daemon.process, "log", self.clock())

    def end(self, place: int = -1, kind: Any = "done") -> None:
        run = self.launched[place]
        self.firings.conclude(run.firing.id, run.firing.token or "", Outcome(kind), self.clock())
        run.code = 0


def test_a_look_at_the_clock_starts_what_is_due_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store.add(schedule())
    bench.daemon.tick()
    assert bench.launched == []
    bench.clock.on(hours=1)
    for _ in range(3):
        bench.daemon.tick()
    assert len(bench.launched) == 1
    bench.begin()
    bench.end()
    bench.daemon.tick()
    assert states(bench.firings.history()) == ["done"]
    assert "is done" in bench.said[-1]


def test_a_process_that_ends_before_it_began_is_a_failed_attempt(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store.add(schedule(retries=1))
    bench.clock.on(hours=1)
    for attempt in range(2):
        bench.daemon.tick()
        assert len(bench.launched) == attempt + 1
        bench.launched[-1].code = 1
        bench.daemon.tick()
        bench.clock.on(minutes=5)
    bench.daemon.tick()
    (ended,) = bench.firings.history()
    assert (ended.state, ended.failures) == ("failed", 2) and "starting.log" in (ended.reason or "")


def test_a_program_that_cannot_be_started_is_a_failed_attempt(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def refuse(*_: Any) -> Launched:
        raise OSError("no memory")

    bench.daemon.launch = refuse
    bench.store.add(schedule(retries=0))
    bench.clock.on(hours=1)
    bench.daemon.tick()
    (ended,) = bench.firings.history()
    assert ended.state == "failed" and "no memory" in (ended.reason or "")


def test_a_daemon_takes_over_what_another_left_behind(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store.add(schedule())
    other = Firings(bench.store.engine, bench.settings)
    other.claim(bench.clock.on(hours=1))
    other.take(gone(bench.daemon.process), bench.clock())
    bench.daemon.tick()
    assert len(bench.launched) == 1
    assert any("is gone" in sentence for sentence in bench.said)


def test_a_daemon_that_leaves_asks_its_runs_to_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store.add(schedule())
    bench.clock.on(hours=1)
    bench.daemon.tick()
    bench.begin()
    bench.daemon.leave()
    assert bench.launched[0].terminated
    assert health(bench.store, bench.settings, bench.clock()).daemons == []


def test_logs_go_with_the_history_they_belong_to(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"history_kept": 1})
    bench.store.add(schedule())
    logs = []
    for number in range(3):
        bench.clock.on(hours=1)
        bench.daemon.tick()
        logs.append(tmp_path / f"{number}.log")
        logs[-1].write_text("said")
        firing = bench.launched[-1].firing
        bench.firings.begin(firing.id, firing.token or "", bench.daemon.process, str(logs[-1]), bench.clock())
        bench.end()
    assert [log.exists() for log in logs] == [False, True, True]


def test_health_says_what_is_wrong(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"lease_seconds": 60})
    bench.store.add(schedule())
    found = health(bench.store, bench.settings, bench.clock())
    assert not found.healthy and "No daemon is alive" in found.problems[0]
    bench.daemon.tick()
    assert health(bench.store, bench.settings, bench.clock()).healthy
    found = health(bench.store, bench.settings, bench.clock.on(seconds=61))
    assert [daemon.alive for daemon in found.daemons] == [False], "it says nothing any more"
    register_daemon(bench.store.engine, bench.daemon.process, bench.clock.on(hours=2))
    found = health(bench.store, bench.settings, bench.clock())
    assert found.overdue == ["nightly"] and "claimed by nobody" in found.problems[0]


def test_a_dead_daemon_of_this_machine_is_forgotten(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    register_daemon(bench.store.engine, gone(bench.daemon.process), bench.clock())
    assert [daemon.alive for daemon in health(bench.store, bench.settings, bench.clock()).daemons] == [False]
    bench.daemon.tick()
    assert [daemon.alive for daemon in health(bench.store, bench.settings, bench.clock()).daemons] == [True]
