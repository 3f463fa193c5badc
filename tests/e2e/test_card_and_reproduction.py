"""A registered version's card, its data restored, and the version made again, by the commands a user types."""

from pathlib import Path
from typing import Any

import pytest

from hematovision.home import locate_home
from tests.e2e.conftest import Command

pytestmark = pytest.mark.slow


def test_the_version_has_a_card_from_its_run(
    trained: dict[str, Any], hematovision: Command, cells: Path, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(locate_home().tracking_uri)
    names = {item.path for item in client.list_artifacts(trained["model"]["run_id"])}
    assert {"model_card.md", "model_card.html", "model_card.json", "config.json"} <= names
    described = client.get_model_version("small", trained["model"]["version"]).description
    assert f"/runs/{trained['model']['run_id']}/artifacts/model_card.html" in described
    ended = hematovision("card", "--model", trained["model"]["uri"], "--output", tmp_path / "card")
    assert ended.code == 0, ended.errors
    page, text = Path(ended.document["html"]).read_text(), Path(ended.document["markdown"]).read_text()
    assert 'src="http' not in page and "<script" not in page
    for written in (page, text):
        assert f"{trained['golden']['macro_f1']['value']:.3f}" in written
        assert trained["data"]["version"] in written and str(cells.name) in written.replace("\\", "")
        assert "Synthetic data" in written and "none yet" in written
        assert "All images in this folder are SYNTHETIC" in written.replace("\\", "")


def test_the_data_of_a_version_come_back_byte_for_byte(
    trained: dict[str, Any], hematovision: Command, cells: Path, tmp_path: Path
) -> None:
    told = hematovision("data", "versions", config=None)
    (kept,) = [item for item in told.document["versions"] if item["version"] == trained["data"]["version"]]
    assert f"small/{trained['model']['version']}" in kept["models"]
    ended = hematovision("data", "checkout", trained["model"]["uri"], "--output", tmp_path / "back")
    assert ended.code == 0, ended.errors
    for picture in (cells / "images").rglob("*.bmp"):
        restored = tmp_path / "back" / "images" / picture.relative_to(cells)
        assert restored.read_bytes() == picture.read_bytes()
    again = hematovision("data", "checkout", trained["model"]["uri"], "--output", tmp_path / "back")
    assert again.code == 2 and "exists already" in again.errors


def test_a_version_is_made_again_and_nothing_is_registered(trained: dict[str, Any], hematovision: Command) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(locate_home().tracking_uri)
    before = len(client.search_model_versions())
    ended = hematovision("reproduce", trained["model"]["version"])
    assert ended.code == 0, ended.errors
    assert ended.document["identical"], ended.document
    assert ended.document["files"] == [] and not [item for item in ended.document["metrics"] if item["change"]]
    assert len(client.search_model_versions()) == before
    assert not list(locate_home().root.glob("reproduction-*"))
    assert hematovision("reproduce", "99").code == 2
