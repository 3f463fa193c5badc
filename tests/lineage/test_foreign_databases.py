"""MLflow's and ZenML's databases: read as their own clients read them, and never written to."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, insert

from hematovision.cli import zenml_database, zenml_history
from hematovision.cli.zenml_database import DatabaseHistory
from hematovision.cli.zenml_history import NoHistory
from hematovision.errors import HematoVisionError
from hematovision.home import Home
from hematovision.lineage import mlflow_database
from hematovision.lineage.artifacts import Artifacts
from hematovision.lineage.foreign_database import ForeignDatabase
from hematovision.lineage.from_mlflow import ARTIFACTS
from hematovision.lineage.from_runs import RunRecord
from hematovision.lineage.mlflow_client import ClientTracking
from hematovision.lineage.mlflow_database import DatabaseTracking
from hematovision.lineage.tracing import trace
from hematovision.lineage.tracking import open_tracking

from .conftest import DATA, RUNS, World, image, make_world, manifest


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A registry with whatever MLflow's client leaves out or treats in a way of its own."""
    import mlflow

    world = make_world(tmp_path_factory.mktemp("foreign"))
    for number in range(4):
        world.register("cells", manifest("abc", "a"), RUNS[0], DATA[0], requester=f"user:{number}")
    world.register("gone", manifest("abc", "a"), RUNS[0], DATA[0])
    world.register("asked", manifest("abc", "a"), RUNS[0], DATA[0])
    client = mlflow.MlflowClient(world.home.tracking_uri, world.home.tracking_uri)
    client.delete_model_version("cells", "3")
    client.delete_registered_model("gone")
    client.set_model_version_tag("asked", "1", "mlflow.prompt.is_prompt", "true")
    client.set_registered_model_tag("asked", "mlflow.prompt.is_prompt", "true")
    for alias, version in (("zeta", "1"), ("champion", "1"), ("challenger", "4")):
        client.set_registered_model_alias("cells", alias, version)
    client.update_model_version("cells", "2", "changed last")
    run = client.get_model_version("cells", "1").run_id
    client.log_param(run, "data", "/cells")
    client.set_terminated(run, "FAILED")
    client.delete_run(client.get_model_version("cells", "2").run_id)
    return world


def test_a_registry_is_told_as_its_client_tells_it(registry: World) -> None:
    read, asked = (kind(registry.home.tracking_uri) for kind in (DatabaseTracking, ClientTracking))
    versions = asked.versions()
    assert list(read.versions()) == versions
    assert [version.number for version in versions] == ["2", "4", "1"]
    assert [set(version.aliases) for version in versions] == [set(), {"challenger"}, {"champion", "zeta"}]
    for version in versions:
        assert read.run(version.run_id) == asked.run(version.run_id) is not None
    assert read.run("0" * 32) is asked.run("0" * 32) is None
    assert {run.lifecycle for one in versions if (run := read.run(one.run_id))} == {"active", "deleted"}


def stores(home: Home) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.root.glob("mlflow.db*")}


def test_an_answer_changes_no_byte_of_the_registry(registry: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("MLflow's client makes tables where it opens a database")

    monkeypatch.setattr(MlflowClient, "__init__", refuse)
    before = stores(registry.home)
    answer = trace(image("b"), registry.readers(), model_name="cells", shown=10)
    assert "model:cells/1" in {str(thing) for thing in answer.nodes}
    assert stores(registry.home) == before


@pytest.fixture
def copied(registry: World, tmp_path: Path) -> Path:
    """A copy of the registry's database."""
    return Path(shutil.copy(registry.home.root / "mlflow.db", tmp_path / "a b%20#.db"))


def test_a_database_that_others_write_to_is_read_without_a_trace(copied: Path) -> None:
    with closing(sqlite3.connect(copied)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("UPDATE model_version_tags SET value = 'changed' WHERE key = 'requester' AND version = 1")
        other.commit()
        before = {path.name: path.read_bytes() for path in copied.parent.glob("*") if not path.name.endswith("-shm")}
        told = {
            version.number: version.tags["requester"] for version in DatabaseTracking(f"sqlite:///{copied}").versions()
        }
        assert told["1"] == "changed"
        assert before == {name: (copied.parent / name).read_bytes() for name in before}


def test_a_read_only_database_refuses_to_be_written_to(copied: Path) -> None:
    database = ForeignDatabase(f"sqlite:///{copied}", of="MLflow", package="mlflow")
    with pytest.raises(HematoVisionError, match="readonly"), database.reading() as connection:
        connection.exec_driver_sql("DELETE FROM runs")


def test_a_registry_of_another_form_is_refused_by_name(copied: Path) -> None:
    with closing(sqlite3.connect(copied)) as other:
        other.execute("ALTER TABLE model_version_tags RENAME COLUMN value TO content")
        other.commit()
    with pytest.raises(HematoVisionError, match=r"MLflow at .*model_version_tags\.value.*mlflow \d+\.\d+.* installed"):
        DatabaseTracking(f"sqlite:///{copied}").versions()


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(HematoVisionError, match="cannot be read"):
        open_tracking(f"sqlite:///{tmp_path / 'none.db'}").versions()
    assert list(tmp_path.iterdir()) == []


def test_a_password_is_not_told() -> None:
    with pytest.raises(HematoVisionError) as refused:
        DatabaseTracking("postgresql+psycopg://me:secret@127.0.0.1:1/none").versions()
    assert "secret" not in str(refused.value)


def test_servers_and_workspaces_are_asked_through_the_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert isinstance(open_tracking("http://127.0.0.1:9"), ClientTracking)
    assert isinstance(open_tracking("postgresql+psycopg://127.0.0.1:9/x"), DatabaseTracking)
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    monkeypatch.setattr(ClientTracking, "__init__", lambda *_: None)
    assert isinstance(open_tracking(f"sqlite:///{tmp_path / 'x.db'}"), ClientTracking)


def test_artifacts_elsewhere_are_listed_and_fetched_through_mlflow(registry: World, tmp_path: Path) -> None:
    from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry as repositories
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    run = DatabaseTracking(registry.home.tracking_uri).versions()[0].run_id
    here = DatabaseTracking(registry.home.tracking_uri).run(run)
    assert here is not None
    near = Artifacts(here.artifacts, tracking=registry.home.tracking_uri)
    repositories.register("shelf", lambda uri, **_: LocalArtifactRepository(uri.replace("shelf:", "file:")))
    far = Artifacts(here.artifacts.replace("file:", "shelf:"), tracking=registry.home.tracking_uri)
    assert (
        near.present([*ARTIFACTS, "data/none", "none"])
        == far.present([*ARTIFACTS, "data/none", "none"])
        == set(ARTIFACTS)
    )
    for path in ("report.html", "data/manifest.csv"):
        read, copied = near.fetch(path, tmp_path), far.fetch(path, tmp_path)
        assert read is not None and copied is not None
        assert copied.is_relative_to(tmp_path) and read.read_bytes() == copied.read_bytes()
    assert near.fetch("none", tmp_path) is far.fetch("none", tmp_path) is None


def test_mlflow_still_has_the_columns_and_words_that_are_read() -> None:
    from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
    from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.model_registry.dbmodels import models as _registry  # noqa: F401
    from mlflow.store.tracking.dbmodels import models as _tracking  # noqa: F401
    from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
    from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME

    for table in mlflow_database.TABLES:
        known = set(Base.metadata.tables[table.name].columns.keys())
        assert not set(table.columns.keys()) - known, f"MLflow has renamed columns of {table.name}"
    ours = (mlflow_database.DELETED, mlflow_database.IS_PROMPT, mlflow_database.RUN_NAME, mlflow_database.WORKSPACE)
    assert ours == (STAGE_DELETED_INTERNAL, IS_PROMPT_TAG_KEY, MLFLOW_RUN_NAME, DEFAULT_WORKSPACE_NAME)


def test_zenml_still_has_the_columns_and_words_that_are_read() -> None:
    from sqlmodel import SQLModel
    from zenml.constants import DEFAULT_PROJECT_NAME
    from zenml.enums import MetadataResourceTypes
    from zenml.zen_stores import schemas as _schemas  # noqa: F401

    for table in zenml_database.TABLES:
        known = set(SQLModel.metadata.tables[table.name].columns.keys())
        assert not set(table.columns.keys()) - known, f"ZenML has renamed columns of {table.name}"
    assert (
        MetadataResourceTypes.STEP_RUN.value,
        DEFAULT_PROJECT_NAME,
    ) == (zenml_database.OF_STEPS, zenml_database.DEFAULT_PROJECT)


PROJECT, OTHER, PIPELINE = uuid4(), uuid4(), uuid4()
FIRST, SECOND, STRANGE = uuid4(), uuid4(), uuid4()
EARLY, LATE, LATEST = datetime(2026, 1, 1, 12), datetime(2026, 1, 2, 12, 0, 0, 500), datetime(2026, 1, 3)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A ZenML store: a run whose ingest step told its data twice, one without a pipeline, one of another project."""
    from sqlmodel import SQLModel
    from zenml.zen_stores import schemas as _schemas  # noqa: F401

    file = tmp_path / "home" / "zenml" / "stores" / "default_zen_store" / "zenml.db"
    file.parent.mkdir(parents=True)
    engine = create_engine(f"sqlite:///{file}")
    tables = {table.name: SQLModel.metadata.tables[table.name] for table in zenml_database.TABLES}
    SQLModel.metadata.create_all(engine, tables=list(tables.values()))
    rows: dict[str, list[dict[str, object]]] = {
        "project": [{"id": one, "name": name} for one, name in ((PROJECT, "default"), (OTHER, "other"))],
        "pipeline": [{"id": PIPELINE, "name": "training_pipeline", "project_id": PROJECT}],
        "pipeline_run": [
            _run(FIRST, "first", "completed", PIPELINE, EARLY, LATE),
            _run(SECOND, "second", "failed", None, None, None),
            _run(STRANGE, "strange", "completed", None, EARLY, None) | {"project_id": OTHER},
        ],
    }
    steps = [
        (FIRST, "ingest", "cached", EARLY),
        (FIRST, "train", "completed", LATE),
        (STRANGE, "ingest", "failed", LATE),
    ]
    ids = [uuid4() for _ in steps]
    rows["step_run"] = [
        {"id": one, "pipeline_run_id": run, "name": name, "status": status, "created": created, "project_id": PROJECT}
        for one, (run, name, status, created) in zip(ids, steps, strict=True)
    ]
    told = [(LATE, "version", '"md5:new"', "step_run"), (EARLY, "version", '"md5:old"', "step_run")]
    told += [(LATEST, "accepted", "7", "step_run"), (LATEST, "version", '"md5:none"', "artifact_version")]
    metadata = [uuid4() for _ in told]
    rows["run_metadata"] = [
        {"id": one, "created": created, "key": key, "value": value}
        for one, (created, key, value, _) in zip(metadata, told, strict=True)
    ]
    rows["run_metadata_resource"] = [
        {"id": uuid4(), "resource_id": ids[0], "resource_type": kind, "run_metadata_id": one}
        for one, (_, _, _, kind) in zip(metadata, told, strict=True)
    ]
    with engine.begin() as connection:
        for name, content in rows.items():
            for row in content:
                connection.execute(insert(tables[name]).values(_filled(tables[name], row)))
    engine.dispose()
    return file


def _run(one: object, name: str, status: str, pipeline: object, start: object, end: object) -> dict[str, object]:
    told = {"id": one, "name": name, "status": status, "pipeline_id": pipeline, "start_time": start, "end_time": end}
    return told | {"project_id": PROJECT, "created": start or LATE}


def _filled(table: object, row: dict[str, object]) -> dict[str, object]:
    """A row with something in every column that must not be empty."""
    by_kind = {"DATETIME": EARLY, "INTEGER": 1, "BOOLEAN": False, "CHAR(32)": uuid4()}
    columns = [column for column in table.columns if not column.nullable]  # type: ignore[attr-defined]
    return {column.name: by_kind.get(str(column.type), "x") for column in columns} | row


def test_runs_of_the_active_project_are_told(store: Path) -> None:
    before = store.read_bytes()
    history = DatabaseHistory(store, str(PROJECT))
    second = RunRecord(str(SECOND), "", "second", "failed", "", "", None)
    days = (EARLY.isoformat(), LATE.isoformat())
    first = RunRecord(str(FIRST), "training_pipeline", "first", "completed", *days, "md5:new")
    assert history.runs() == [second, first]
    assert history.steps(str(FIRST)) == {"ingest": "cached", "train": "completed"}
    assert DatabaseHistory(store, None).runs() == history.runs()
    assert [run.name for run in DatabaseHistory(store, str(OTHER)).runs()] == ["strange"]
    assert store.read_bytes() == before and [path.name for path in store.parent.iterdir()] == ["zenml.db"]


def test_an_active_project_that_is_gone_is_named(store: Path) -> None:
    with pytest.raises(HematoVisionError, match="zenml project set"):
        DatabaseHistory(store, str(uuid4())).runs()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home whose ZenML is set up as the commands set it up."""
    for name in ("ZENML_STORE_URL", "ZENML_ACTIVE_PROJECT_ID", "ZENML_REPOSITORY_PATH", "ZENML_SERVER"):
        monkeypatch.delenv(name, raising=False)
    made = Home(tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZENML_CONFIG_PATH", str(made.root / "zenml"))
    monkeypatch.setenv("ZENML_LOCAL_STORES_PATH", str(made.root / "zenml" / "stores"))
    return made


def test_a_home_without_a_store_gets_none(home: Home) -> None:
    history = zenml_history.zenml_history(home)
    assert history.unread == ("there is no ZenML store in this home yet",)
    assert (history.runs(), dict(history.steps(str(FIRST)))) == ([], {})
    assert not home.root.exists()


def test_the_store_and_project_that_zenml_is_set_to_are_read(home: Home, store: Path) -> None:
    assert [run.name for run in zenml_history.zenml_history(home).runs()] == ["second", "first"]
    elsewhere = store.with_name("moved.db")
    shutil.move(store, elsewhere)
    told = f"active_project_id: {OTHER}\nstore: {{type: sql, url: 'sqlite:///{elsewhere}'}}\n"
    (home.root / "zenml" / "config.yaml").write_text(told)
    assert [run.name for run in zenml_history.zenml_history(home).runs()] == ["strange"]
    elsewhere.unlink()
    assert isinstance(zenml_history.zenml_history(home), NoHistory)


@pytest.mark.parametrize("name", ["ZENML_STORE_URL", "ZENML_ACTIVE_PROJECT_ID", "ZENML_SERVER"])
def test_what_the_environment_decides_is_left_to_the_client(
    name: str, home: Home, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "x")
    assert isinstance(zenml_history.zenml_history(home), zenml_history.ClientHistory)


def test_servers_and_repositories_are_left_to_the_client(home: Home, store: Path) -> None:
    configuration = home.root / "zenml" / "config.yaml"
    configuration.write_text("store: {type: rest, url: 'https://zenml.example'}\n")
    assert isinstance(zenml_history.zenml_history(home), zenml_history.ClientHistory)
    configuration.write_text("- [")
    with pytest.raises(HematoVisionError, match=r"config\.yaml cannot be read"):
        zenml_history.zenml_history(home)
    configuration.unlink()
    (Path.cwd() / ".zen").mkdir()
    assert isinstance(zenml_history.zenml_history(home), zenml_history.ClientHistory)
