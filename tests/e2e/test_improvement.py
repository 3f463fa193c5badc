"""From corrections of another scanner to a challenger that goes on from the champion, by the command a user types."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from hematovision.config import load_config
from hematovision.data.manifest import HELD_OUT
from hematovision.data.store import ImageStore
from hematovision.feedback.records import Correction
from hematovision.home import locate_home
from hematovision.ledger import open_ledger
from hematovision.registry.feedback_store import feedback_of
from hematovision.registry.versions import client_of, find_version
from tests.e2e.conftest import LENIENT_FLOORS, SMALL, Command

pytestmark = pytest.mark.slow

POLICY = (
    LENIENT_FLOORS
    + """
against_champion:
  accuracy: {loss: 1.0, margin: null}
  macro_f1: {loss: 1.0, margin: null}
  recall: {loss: 1.0, margin: null}
  set_coverage: {loss: 1.0, margin: null}
  set_size: {loss: 8.0, margin: null}
  ece: {loss: 1.0, margin: null}
  latency: {ratio: null, rounds: 3}
review: {approvals: 0, each_of: [], dirty_tree: allow}
"""
)


@pytest.fixture
def eager(tmp_path: Path) -> Path:
    """The settings of the small run, with a policy that asks for nobody and a short retrain."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    settings = yaml.safe_load(SMALL) | {"promotion": {"policy": str(tmp_path / "policy.yaml")}}
    settings |= {"improvement": {"minimum_accepted": 60, "promote": "policy"}}
    path = tmp_path / "eager.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def _correct(folder: Path, config: Path, slides: range) -> None:
    """Cells of some slides of another scanner, corrected by one person and confirmed by two others."""
    store = feedback_of(locate_home(), load_config(config))
    table = pd.read_csv(folder / "manifest.csv")
    for row in table[table["group"].isin([f"slide-{number:02}" for number in slides])].itertuples():
        correction = Correction(
            image=(folder / str(row.path)).read_bytes(),
            label=str(row.label),
            by="ann",
            role="review",
            source="api",
            client_key=str(row.path).replace("/", "-"),
            site="ward 3",
            slide=f"ward 3 {row.group}",
        )
        item = store.submit(correction)
        for name in ("bob", "cid"):
            item = store.adjudicate(item.id, "accept", name, "review")
        assert item.state == "accepted", item.reason


def _call_otherwise(cell: "pd.Series[Any]", config: Path) -> None:
    """Somebody says that a known cell is of another class, and a senior agrees."""
    home, other = locate_home(), "monocyte" if cell["label"] != "monocyte" else "lymphocyte"
    picture = ImageStore(home.images).read(str(cell["sha256"]))
    store = feedback_of(home, load_config(config))
    said = Correction(image=picture, label=other, by="ann", role="review", source="api", client_key="once more")
    assert store.adjudicate(store.submit(said).id, "accept", "dora", "senior").state == "accepted"


def _kill_while_training(config: Path) -> None:
    """Begin a retrain and end it, with all that it started, as soon as a training has kept where it stands."""
    checkpoints = locate_home().checkpoints
    command = [sys.executable, "-m", "hematovision", "improve", "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 300
    while not any(path.is_file() for path in checkpoints.rglob("*")):
        assert process.poll() is None and time.monotonic() < deadline, "it ended before it trained"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def before(trained: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The version of the small run, which is the challenger again afterwards, for whoever shares it."""
    yield trained["model"]
    client_of(locate_home()).set_registered_model_alias(
        trained["model"]["name"], "challenger", trained["model"]["version"]
    )


def test_corrections_become_a_challenger_that_knows_the_new_scanner(
    before: dict[str, Any], hematovision: Command, eager: Path, tmp_path: Path
) -> None:
    judged = hematovision("gate", "--model", before["uri"], config=eager)
    assert judged.code == 0, judged.document
    promoted = hematovision("promote", f"{before['name']}/{before['version']}", config=eager)
    assert promoted.code == 0, promoted.errors
    other = tmp_path / "scanner-d"
    assert hematovision("data", "generate", other, "--scanner", "D", "--seed", 77, config=eager).code == 0

    _correct(other, eager, range(2))
    put_off = hematovision("improve", config=eager)
    assert (put_off.code, put_off.document["improved"]) == (0, False)
    assert "16 accepted cells are new" in put_off.document["reason"]

    _correct(other, eager, range(2, 12))
    _kill_while_training(eager)
    ended = hematovision("improve", config=eager)
    assert ended.code == 0, ended.errors
    told = ended.document
    assert told["improved"] and told["accepted"] == 96 and told["waits"] == "", told["waits"]
    assert told["new_cells"]["n"] == 24
    old, new = (told["new_cells"][name]["accuracy"]["value"] for name in ("champion", "challenger"))
    assert new > old - 0.1, "two of 24 cells may be chance, three are not"
    assert told["doubts"]["n"] == 96 - 24
    assert "What changed and why" in Path(told["change"]).read_text()

    home = locate_home()
    after = find_version(home, f"models:/{before['name']}@champion")
    assert after.version == told["run"]["model"]["version"] != before["version"]
    versions = client_of(home).search_model_versions(f"name='{before['name']}'")
    assert max(int(one.version) for one in versions) == int(after.version)
    base, grown = find_version(home, before["uri"]), after.manifest()
    assert grown is not None and after.tags["golden_digest"] == base.tags["golden_digest"]
    known = base.manifest()
    assert known is not None
    both = known.merge(grown, on="sha256", suffixes=("_before", "_after"))
    assert (both["fold_before"] == both["fold_after"]).all() and len(both) == len(known)
    fresh = grown[~grown["sha256"].isin(known["sha256"])]
    assert set(fresh["split"]) == {"development", HELD_OUT}
    assert (fresh.groupby("group")["fold"].nunique() == 1).all()
    assert [record.content["champion"] for record in open_ledger(home, None).records(kind="retrain")] == [
        f"{before['name']}/{before['version']}"
    ]

    again = hematovision("improve", config=eager)
    assert not again.document["improved"] and "0 accepted cells are new" in again.document["reason"]
    _call_otherwise(grown[grown["split"] == "development"].iloc[0], eager)
    corrected = hematovision("improve", config=eager)
    assert "1 accepted cells are new" in corrected.document["reason"], "a known cell under another label is new"
