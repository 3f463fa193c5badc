"""Models and data versions by the names a user types, strangers' names included; a real registry."""

from pathlib import Path
from typing import Any

import pytest

from hematovision.data.versions.keeping import KeptVersions
from hematovision.errors import UsageError
from hematovision.home import Home
from hematovision.registry.data_usage import data_of, models_by_data, registered_version
from hematovision.registry.mlflow_registry import tracking

DATA = "sha256:" + "d" * 64


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    with tracking(home, "small") as flow, flow.start_run() as run:
        client: Any = flow.MlflowClient()
        client.create_registered_model("small")
        for tags in ({"data_version": DATA, "data_content": "c" * 32 + ".dir"}, {"data_version": DATA}, {}):
            client.create_model_version("small", f"{run.info.artifact_uri}/model", run.info.run_id, tags=tags)
        client.set_registered_model_alias("small", "champion", "1")
    return home


@pytest.mark.parametrize("asked", ["small/1", "models:/small/1", "models:/small@champion", "small@champion"])
def test_a_model_leads_to_the_content_it_learnt_from(home: Home, asked: str) -> None:
    assert data_of(home, asked) == "c" * 32 + ".dir"


def test_without_a_content_the_version_is_taken_and_without_either_it_is_said(home: Home) -> None:
    assert data_of(home, "small/2") == DATA
    assert models_by_data(home) == {DATA: ["small/1", "small/2"]}
    with pytest.raises(UsageError, match="no tag says which data"):
        data_of(home, "small/3")
    with pytest.raises(UsageError, match="not in the registry"):
        data_of(home, "small/99")
    with pytest.raises(UsageError, match="not in the registry"):
        registered_version(home, "models:/nobody@champion")


@pytest.mark.parametrize(
    "asked",
    ["../../etc/passwd", "models:/../1", "models:/small/1/../2", "/small/1", "small/1;x", "nul\0/1", "", " ",
     "x" * 5000, "small/" + "9" * 400, "\N{RIGHT-TO-LEFT OVERRIDE}/1", "md5:../..", "sha256:%2e%2e", "*", "c" * 5],
)  # fmt: skip
def test_strange_names_find_nothing_and_read_nothing(home: Home, tmp_path: Path, asked: str) -> None:
    with pytest.raises(UsageError, match="No data version"):
        KeptVersions(tmp_path / "versions").find(data_of(home, asked))
    assert list(tmp_path.iterdir()) == []
