"""A version moved towards another scanner by unlabelled pictures, by the command a user types."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from hematovision.config import load_config
from hematovision.data.store import ImageStore
from hematovision.home import locate_home
from hematovision.ledger import open_ledger
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.package import WEIGHTS, verify_package
from hematovision.registry.versions import client_of, find_version
from tests.e2e.conftest import Command

pytestmark = pytest.mark.slow


@pytest.fixture
def base(trained: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The version of the small run, which is the challenger again afterwards, for whoever shares it."""
    yield trained["model"]
    client_of(locate_home()).set_registered_model_alias(
        trained["model"]["name"], "challenger", trained["model"]["version"]
    )


@pytest.fixture
def site(base: dict[str, Any], hematovision: Command, tmp_path: Path) -> Path:
    """Pictures of scanner C in one folder, without labels; among them a golden cell of home and a file of noise."""
    labelled, folder = tmp_path / "scanner-c", tmp_path / "site"
    assert hematovision("data", "generate", labelled, "--scanner", "C", "--seed", 78).code == 0
    folder.mkdir()
    table = pd.read_csv(labelled / "manifest.csv")
    for number, path in enumerate(table["path"].head(48)):
        shutil.copyfile(labelled / path, folder / f"{number:03d}.bmp")
    manifest = find_version(locate_home(), base["uri"]).manifest()
    assert manifest is not None
    golden = manifest.loc[manifest["split"] == "golden", "sha256"].iloc[0]
    (folder / "golden.bmp").write_bytes(ImageStore(locate_home().images).read(golden))
    (folder / "noise.png").write_bytes(b"no picture")
    return folder


def test_unlabelled_pictures_make_a_challenger_that_is_judged_like_any(
    base: dict[str, Any], site: Path, hematovision: Command
) -> None:
    ended = hematovision("adapt", "--model", base["uri"], "--data", site)
    assert ended.code == 0, ended.errors
    told = ended.document
    assert (told["base"], told["pictures"]) == (f"{base['name']}/{base['version']}", 48)
    reasons = {Path(row["path"]).name: row["reason"] for row in told["left_out"]}
    assert set(reasons) == {"golden.bmp", "noise.png"} and "golden set" in reasons["golden.bmp"]
    assert told["verdict"]["gates"] > 0

    home = locate_home()
    version, before = find_version(home, told["run"]["model"]["uri"]), find_version(home, base["uri"])
    assert version.tags["adapted_from"] == before.label
    assert version.tags["golden_digest"] == before.tags["golden_digest"]
    packages = [fetch_model(home, one.uri) / "artifacts" / "package" for one in (before, version)]
    adapted = verify_package(packages[1]).adapted
    assert adapted is not None and adapted.prior == load_config().adaptation.prior
    was, now = (load_file(package / WEIGHTS) for package in packages)
    moved = {name for name in was if not torch.equal(was[name], now[name])}
    assert moved and all(name.startswith("upper.") and name.endswith(("mean", "var")) for name in moved)

    records = [one for one in open_ledger(home, None).records(kind="training") if one.content.get("adapted")]
    assert [record.content["continues"] for record in records] == [before.label]
    refused = hematovision("reproduce", told["run"]["model"]["uri"])
    assert refused.code == 2 and "moved towards pictures of another site" in refused.errors


def test_too_few_pictures_stop_before_anything_is_registered(
    base: dict[str, Any], site: Path, hematovision: Command
) -> None:
    for file in list(site.glob("0*.bmp"))[:30]:
        file.unlink()
    ended = hematovision("adapt", "--model", base["uri"], "--data", site)
    assert ended.code == 3 and "give 32 or more" in ended.errors
