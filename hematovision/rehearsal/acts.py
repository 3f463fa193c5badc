"""The steps of a rehearsal; each asks as a user would, by a command or over HTTP, and tells what came of it."""

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from hematovision.config import RunConfig
from hematovision.data.synthetic.dataset import is_synthetic
from hematovision.promotion.policy import policy_of
from hematovision.rehearsal import retrain, sites
from hematovision.rehearsal.client import Answer, Client, Tally
from hematovision.rehearsal.heartbeat import Heartbeat
from hematovision.rehearsal.measuring import Standings, ask, measure, right
from hematovision.rehearsal.outcome import Corrections, Watch
from hematovision.rehearsal.people import Reviewer, approve_and_promote, enrol, make_service_keys
from hematovision.rehearsal.processes import Commands, Standing
from hematovision.rehearsal.sites import SITE_A, SITE_B, Sites
from hematovision.rehearsal.story import Story, WentWrong
from hematovision.rehearsal.workplace import Workplace

HEARTBEAT_PICTURES = 40
LOOK_SECONDS = 0.2
SIGNALS_NAMED = 4
NOTICE = "README.txt"


@dataclass
class Rehearsal:
    """What the steps share: the commands, the people, the processes that stand."""

    place: Workplace
    config: RunConfig
    story: Story
    running: ExitStack
    synthetic: bool = field(default=False, init=False)
    sources: dict[str, str] = field(default_factory=dict, init=False)
    tally: Tally = field(default_factory=Tally, init=False)

    def __post_init__(self) -> None:
        self.settings = self.config.rehearsal
        self.commands = Commands(self.place, self.settings.patience_seconds)
        self._reviewers: list[Reviewer] | None = None
        self._seen_from = ""

    def deal(self, given: Mapping[str, Path] | None) -> Sites:
        """Read both sites and deal their cells; write the settings of every command."""
        with self.story.step("The cells of both sites are read and dealt, slide by slide"):
            places = given or sites.draw_sites(self.place.root / "drawn", self.config)
            self.sources = {site: str(path) for site, path in places.items()}
            self.synthetic = all(is_synthetic(path) for path in places.values())
            dealt = sites.read_sites(self.place.root, places, self.config)
            self._chosen = sites.chosen_for_correction(dealt, self.settings.per_class, self.config.seed)
            enough = max(1, int(self.settings.enough * len(self._chosen)))
            self.place.write_config(
                self.config,
                {
                    "records": {"database": None},
                    "serving": {"port": 0, "model": None, "shadow": None},
                    "improvement": {"minimum_accepted": enough, "promote": "review"},
                    "feedback": {"pictures": None},
                },
            )
            notice = places[SITE_A] / NOTICE if self.synthetic else None
            sites.write_home_site(dealt, self.place.root / "home-site", notice=notice)
            counts = dealt.counts
            self.story.say(
                f"Site A: {counts['site_a']} cells to learn from, {counts['site_a_held_out']} held out. Site B: "
                f"{counts['site_b_first']} arrive first, {counts['site_b_later']} later, "
                f"{counts['site_b_held_out']} held out."
            )
            for reason, count in dealt.left_out.items():
                self.story.say(f"{count} cells are left out: {reason}.")
        return dealt

    def train(self) -> str:
        """The first model, made of site A's cells alone; gives `NAME/VERSION`."""
        with self.story.step("A model is trained on site A and judged by the gates"):
            told = self.commands.run("run", "--data", str(self.place.root / "home-site"))
            version = f"{told['model']['name']}/{told['model']['version']}"
            self.story.say(f"Golden set: {told['golden']['accuracy']['value']:.1%} of {told['golden']['n']}.")
            _require_passed(version, told["verdict"])
        return version

    def approve(self, version: str, reason: str) -> None:
        """Reviewers sign, the version becomes champion."""
        with self.story.step(f"{version} is approved and promoted"):
            policy = policy_of(self.config).review
            if self._reviewers is None:
                self._reviewers = enrol(self.commands, policy, self.place.keys)
            approve_and_promote(self.commands, self._reviewers, version, reason)
            names = " and ".join(f"{one.name} ({one.role})" for one in self._reviewers)
            self.story.say(f"Signed by {names or 'nobody: the policy asks for no approval'}; it is champion now.")

    def serve(self, dealt: Sites) -> None:
        """Start the service, the scheduler, and a client that asks all the time."""
        with self.story.step("The service and the scheduler are started"):
            keys = make_service_keys(self.commands)
            patience = self.settings.patience_seconds
            service = Standing(self.place, self.commands.log("serve"), "serve", patience=patience)
            self.running.callback(service.stop)
            address = service.document["address"]
            self._clients = {name: Client(address, key, self.tally, patience=patience) for name, key in keys.items()}
            for client in self._clients.values():
                self.running.callback(client.close)
            pictures = [dealt.images.read(sha256) for sha256 in dealt.home["sha256"].head(HEARTBEAT_PICTURES)]
            beat = Heartbeat(self._clients["heartbeat"], pictures, SITE_A, self.settings.pause_seconds)
            beat.start()
            self.running.callback(beat.stop)
            log = self.commands.log("schedule-daemon")
            self._daemon = Standing(self.place, log, "schedule", "daemon", patience=patience)
            self.running.callback(self._daemon.stop)
            self._service = service
            self.story.say(f"{service.document['model']} answers at {address}; site A goes on asking all the time.")

    def traffic(self, rows: pd.DataFrame, dealt: Sites, title: str) -> dict[str, Answer]:
        """Send cells of site B; gives the answers."""
        with self.story.step(title):
            self._service.check()
            self._seen_from = datetime.now(UTC).isoformat()
            answers = ask(self._clients["traffic"], rows, dealt.images, SITE_B)
            self.story.say(f"{right(rows, answers)} of {len(rows)} cells were answered with their class.")
        return answers

    def watch(self, title: str, *, alarm: bool) -> Watch:
        """Look at the traffic of site B since it was last sent.

        Raises:
            WentWrong: an alarm was looked for and there is none: without it nothing starts a retrain.
        """
        with self.story.step(title):
            model = f"models:/{self.config.registry.model_name}@champion"
            window = ("--predictions", "--site", SITE_B, "--since", self._seen_from)
            told = self.commands.run("monitor", "--model", model, *window)
            signals = [one["name"] for one in told["signals"] if one["alarm"]]
            found = Watch(n=told["n"], drift=told["drift"], state=told["state"], signals=signals, report=told["report"])
            self.story.say(f"{found.n} cells; the alarm is {found.state}{_named(signals)}.")
            if alarm and found.state != "raised":
                raise WentWrong(
                    "Site B looks like site A to the monitor, so nothing asks for a retrain; take a site that differs "
                    "more, or more cells."
                )
        return found

    def correct(self, answers: Mapping[str, Answer]) -> Corrections:
        """Corrections over HTTP, decided over HTTP by people who did not make them; the schedule waits for all."""
        with self.story.step(f"{self.settings.per_class} cells a class are corrected and adjudicated"):
            given = [(sha256, label) for sha256, label in self._chosen if sha256 in answers]
            sent = {cell: self._clients["technician"].correct(answers[cell].id, label) for cell, label in given}
            items = {cell: item for cell, item in sent.items() if item is not None}
            retrain.arrange(self.commands, self.place, len(items), self.settings.every_seconds)
            self.story.say(
                f"A retrain is due every {self.settings.every_seconds:g} s, if {len(items)} corrections are accepted "
                "and a drift alarm stands."
            )
            accepted = [cell for cell, item in items.items() if self._accepted(item["id"])]
            told = Corrections(
                given=len(given),
                wrong=sum(answers[cell].label != label for cell, label in given),
                refused=len(given) - len(items),
                quarantined=sum(item["state"] == "quarantined" for item in items.values()),
                accepted=len(accepted),
                classes=dict(sorted(Counter(label for cell, label in given if cell in accepted).items())),
            )
            self.story.say(
                f"{told.given} sent, {told.wrong} of them against the model; {told.refused} refused as copies of "
                f"golden cells, {told.quarantined} set aside for the senior; {told.accepted} accepted."
            )
            if told.accepted < len(items):
                raise WentWrong(
                    f"Of {len(items)} corrections {told.accepted} were accepted; the schedule waits for all."
                )
        return told

    def _accepted(self, item: str) -> bool:
        """Two reviewers vote; what is set aside needs the senior."""
        for voter in ("first reviewer", "second reviewer", "senior"):
            told = self._clients[voter].accept(item)
            if told is not None and told["state"] == "accepted":
                return True
        return False

    def measure(self, dealt: Sites, title: str) -> Standings:
        """Accuracy of the version that serves, on both held-out shares.

        They are sent as of another site, so that no window of the monitor and no screening of site B's corrections
        ever holds one of them.
        """
        with self.story.step(title):
            client, confidence = self._clients["traffic"], self.config.evaluation.confidence
            version = client.version()
            shares = ((SITE_A, dealt.held_out_a), (SITE_B, dealt.held_out_b))
            found = [
                measure(client, rows, dealt.images, f"{site} held out", version, confidence=confidence)
                for site, rows in shares
            ]
            told = Standings(version=version, site_a=found[0], site_b=found[1])
            self.story.say(f"Version {version}: {told.site_a.says} at site A, {told.site_b.says} at site B.")
        return told

    def await_retrain(self) -> retrain.Retrained:
        """Let the scheduler do its work."""
        with self.story.step("The scheduler finds its conditions fulfilled and retrains"):
            ended = retrain.await_retrain(
                self.place, self.config, self._daemon, self.story, self.settings.patience_seconds
            )
            waited = f" after {ended.skipped} due times at which its conditions did not hold" if ended.skipped else ""
            self.story.say(f"{ended.version} was made{waited}.")
            _require_passed(ended.version, ended.document["verdict"])
        return ended

    def follow(self, version: str) -> None:
        """Wait until the service answers with the new champion.

        Raises:
            WentWrong: it does not follow.
        """
        with self.story.step("The service follows, answering all the while"):
            wanted, deadline = version.rpartition("/")[2], time.monotonic() + self.settings.patience_seconds
            while self._clients["traffic"].version() != wanted:
                self._service.check()
                if time.monotonic() > deadline:
                    raise WentWrong(f"The service does not answer with {version}.")
                time.sleep(LOOK_SECONDS)
            told = f"{self.tally.requests} requests so far, {len(self.tally.dropped)} without an answer"
            self.story.say(f"{version} answers; {told}.")


def _named(signals: list[str]) -> str:
    """Signals in alarm, the first few by name."""
    others = len(signals) - SIGNALS_NAMED
    more = f" and {others} more" if others > 0 else ""
    return f" by {', '.join(signals[:SIGNALS_NAMED])}{more}" if signals else ""


def _require_passed(version: str, verdict: Mapping[str, Any]) -> None:
    if not verdict["passed"]:
        raise WentWrong(f"{version} failed {', '.join(verdict['failed'])}: {verdict['page']}", exit_code=3)
