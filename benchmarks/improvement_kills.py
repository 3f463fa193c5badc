"""Kill retrains at random moments: is a correction lost, a version made twice, a data version left half?

    python -m benchmarks.improvement_kills --kills 200 [--seed N] [--work DIR]

One home, one champion, then retrain after retrain on new corrections of another scanner. Each is begun as a user
begins it (`hematovision improve`, a process group of its own) and ended by SIGKILL at a random moment of the time that
it took undisturbed, again and again, until it comes to its end between two kills. Its policy asks for nobody, so that a
finished challenger is the champion that the next retrain goes on from.

After every retrain: the ledger holds one record of it, the registry one version more, every correction was learnt or
held out exactly once, the new data version can be restored byte for byte, and the chain of records verifies. After the
last one every data version is restored again.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from hematovision.config import load_config
from hematovision.data.manifest import SITE
from hematovision.feedback.records import Correction
from hematovision.home import Home, activate_home
from hematovision.ledger import open_ledger
from hematovision.provenance import machine
from hematovision.registry.feedback_store import feedback_of
from hematovision.registry.versions import client_of, find_version
from tests.e2e.conftest import SMALL
from tests.e2e.test_improvement import POLICY

NAME, WARD, SLIDES_A_RETRAIN, PATIENCE_SECONDS = "small", "ward 3", 5, 1800


@dataclass
class Found:
    """What was counted; `problems` is empty where nothing was lost, doubled or left half."""

    kills: int = 0
    retrains: int = 0
    undisturbed_seconds: float = 0.0
    attempts: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def settings(folder: Path) -> Path:
    """A small training, a policy that asks for nobody."""
    (folder / "policy.yaml").write_text(POLICY)
    chosen = yaml.safe_load(SMALL) | {
        "promotion": {"policy": str(folder / "policy.yaml")},
        "improvement": {"minimum_accepted": 8, "promote": "policy"},
    }
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump(chosen))
    return path


class Laboratory:
    """A home with a champion, and people who correct cells of another scanner."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.home, self.config, self.chosen = Home(folder / "home"), settings(folder), random.Random(seed)
        self.cells, self.known = folder / "scanner-d", folder / "scanner-a"
        self.log = folder / "log.txt"
        self.restored: set[str] = set()

    def started(self, *arguments: object) -> "subprocess.Popen[str]":
        """A command in a process group of its own."""
        command = [sys.executable, "-m", "hematovision", *map(str, arguments), "--config", str(self.config), "--json"]
        with self.log.open("a") as log:
            return subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True, env=os.environ
            )

    def done(self, *arguments: object) -> dict[str, Any]:
        """What a command says; SystemExit where it fails."""
        process = self.started(*arguments)
        told, _ = process.communicate(timeout=PATIENCE_SECONDS)
        if process.returncode:
            raise SystemExit(f"{arguments}: exit code {process.returncode}\n{self.log.read_text()[-3000:]}")
        return dict(json.loads(told))

    def prepare(self, retrains: int) -> None:
        """The first champion, and cells enough of another scanner."""
        self.done("data", "generate", self.known)
        made = self.done("run", "--data", self.known)["model"]
        self.done("promote", f"{NAME}/{made['version']}")
        plan = self.config.with_name("many.yaml")
        chosen = yaml.safe_load(self.config.read_text())
        chosen["synthetic"] |= {"slides": SLIDES_A_RETRAIN * retrains}
        plan.write_text(yaml.safe_dump(chosen))
        kept, self.config = self.config, plan
        self.done("data", "generate", self.cells, "--scanner", "D", "--seed", 77)
        self.config = kept

    def correct(self, number: int) -> int:
        """Corrections of the cells of the next slides, each confirmed by two others; how many."""
        table = pd.read_csv(self.cells / "manifest.csv")
        slides = sorted(table["group"].unique())[number * SLIDES_A_RETRAIN : (number + 1) * SLIDES_A_RETRAIN]
        store = feedback_of(self.home, load_config(self.config))
        rows = table[table["group"].isin(slides)]
        for row in rows.itertuples():
            picture, path = (self.cells / str(row.path)).read_bytes(), str(row.path)
            said = {"label": str(row.label), "by": "ann", "role": "review", "source": "api", "site": WARD}
            item = store.submit(Correction(image=picture, client_key=path.replace("/", "-"), slide=row.group, **said))
            for name in ("bob", "cid"):
                item = store.adjudicate(item.id, "accept", name, "review")
        return len(rows)

    def killed(self, whole: float) -> dict[str, Any] | None:
        """A retrain killed at a random moment of so many seconds; what it said where it had ended before."""
        process = self.started("improve")
        try:
            told, _ = process.communicate(timeout=self.chosen.uniform(0, whole))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None
        if process.returncode:
            raise SystemExit(f"improve: exit code {process.returncode}\n{self.log.read_text()[-3000:]}")
        return dict(json.loads(told))


def retrain(laboratory: Laboratory, found: Found, kills: int) -> dict[str, Any]:
    """One retrain, killed until it ends or there were kills enough."""
    attempts, told = 1, None
    while told is None and found.kills < kills:
        told = laboratory.killed(found.undisturbed_seconds)
        found.kills += told is None
        attempts += told is None
    found.attempts.append(attempts)
    return told or laboratory.done("improve")


def examine(laboratory: Laboratory, told: dict[str, Any], corrected: int, expected: int) -> list[str]:
    """What does not hold after a retrain.

    Args:
        told: by the attempt that ended. corrected: cells so far. expected: versions there should be.
    """
    home, problems = laboratory.home, []
    versions = client_of(home).search_model_versions(f"name='{NAME}'")
    if len(versions) != expected:
        problems.append(f"{len(versions)} versions where {expected} are expected")
    records = [record.content["retrain"] for record in open_ledger(home, None).records(kind="retrain")]
    if len(records) != expected - 1 or len(set(records)) != len(records):
        problems.append(f"{len(records)} records of {len(set(records))} retrains where {expected - 1} are expected")
    manifest = find_version(home, f"models:/{NAME}@champion").manifest()
    new = 0 if manifest is None else int((manifest.get(SITE, pd.Series(dtype=str)) == WARD).sum())
    if manifest is None or manifest["sha256"].duplicated().any() or new != corrected:
        problems.append(f"the champion's manifest has {new} corrected cells, {corrected} were accepted")
    if not told.get("improved"):
        again = laboratory.done("improve")
        if again.get("improved") or again.get("accepted"):
            problems.append(f"a killed retrain left cells behind: {told.get('reason')}")
    kept = laboratory.done("data", "versions")
    problems += [f"data version {one['version']} of {one['models']} is not kept" for one in kept["not_kept"]]
    for version in {one["version"] for one in kept["versions"]} - laboratory.restored:
        with tempfile.TemporaryDirectory() as folder:
            laboratory.done("data", "checkout", version, "--output", Path(folder) / "out")
        laboratory.restored.add(version)
    if not laboratory.done("audit", "verify")["verified"]:
        problems.append("the chain of records does not verify")
    return [f"retrain {expected - 1}: {problem}" for problem in problems]


def measure(folder: Path, kills: int, seed: int) -> Found:
    """Retrains until there were so many kills."""
    laboratory, found = Laboratory(folder, seed), Found()
    os.environ |= {"HEMATOVISION_HOME": str(laboratory.home.root)}
    activate_home()
    laboratory.prepare(retrains=2 + kills)
    corrected = laboratory.correct(0)
    started = time.monotonic()
    told = laboratory.done("improve")
    found.undisturbed_seconds = time.monotonic() - started
    found.problems += examine(laboratory, told, corrected, expected=2)
    while found.kills < kills:
        found.retrains += 1
        corrected += laboratory.correct(found.retrains)
        told = retrain(laboratory, found, kills)
        found.problems += examine(laboratory, told, corrected, expected=2 + found.retrains)
        print(
            f"{found.kills} kills, {found.retrains} retrains; problems: {found.problems}", file=sys.stderr, flush=True
        )
    laboratory.restored.clear()
    found.problems += examine(laboratory, told, corrected, expected=2 + found.retrains)
    return found


def main() -> None:
    """Prints one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, help="a new folder to work in; the usual place for such")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        found = measure(Path(folder), asked.kills, asked.seed)
    print(json.dumps({"machine": machine(), **vars(found)}, indent=2))
    if found.problems:
        sys.exit(1)


if __name__ == "__main__":
    main()
