"""A home with real stores and cheap contents: MLflow versions without weights, a ledger, predictions, feedback."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from hematovision.data.golden import golden_part, rows_digest
from hematovision.data.manifest import COMPLETE, DEVELOPMENT, GOLDEN, manifest_digest
from hematovision.database import database_url, open_database
from hematovision.feedback import tables
from hematovision.feedback.predictions import insert_predictions
from hematovision.feedback.records import Prediction
from hematovision.home import Home
from hematovision.ledger import Ledger, open_ledger
from hematovision.lineage.cells import open_index
from hematovision.lineage.from_cells import CellReader
from hematovision.lineage.from_dvc import PinReader
from hematovision.lineage.from_feedback import FeedbackReader
from hematovision.lineage.from_ledger import LedgerReader
from hematovision.lineage.from_mlflow import Registry, RegistryReader
from hematovision.lineage.from_runs import RunReader, RunRecord
from hematovision.lineage.graph import Reader

DATA = ("md5:" + "a1" * 16 + ".dir", "sha256:" + "b2" * 32)
LOCK = "c3" * 32


def image(name: str) -> str:
    """A content hash."""
    return hashlib.sha256(name.encode()).hexdigest()


def manifest(names: Sequence[str], golden: Sequence[str]) -> pd.DataFrame:
    """A complete manifest; the images of `golden` are the golden set."""
    defaults = {"int64": 1, "float64": 1.0, "str": "x"}
    rows = [
        {column: defaults[kind] for column, kind in COMPLETE.items()}
        | {
            "path": f"{name}.png",
            "sha256": image(name),
            "label": "<b>NA</b>" if number % 2 else "neutrophil",
            "split": GOLDEN if name in golden else DEVELOPMENT,
        }
        for number, name in enumerate(names)
    ]
    return pd.DataFrame(rows)


class Apart(Home):
    """A home that no MLFLOW_TRACKING_URI leads elsewhere: MLflow sets it for the whole process."""

    @property
    def tracking_uri(self) -> str:
        """The store in this folder."""
        return f"sqlite:///{self.root / 'mlflow.db'}"


@dataclass
class Told:
    """Runs as ZenML would tell them."""

    records: list[RunRecord]
    unread: tuple[str, ...] = ()

    def runs(self) -> list[RunRecord]:
        """All."""
        return self.records

    def steps(self, run_id: str) -> Mapping[str, str]:
        """Two steps."""
        return {"ingest": "completed", "train_network": "completed"}


@dataclass
class World:
    """A home, how to add to it, and how to ask it."""

    home: Home
    project: Path
    history: Told = field(default_factory=lambda: Told([]))
    predictions: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        """The home's ledger."""
        return open_ledger(self.home, None)

    def readers(self) -> list[Reader]:
        """All readers, freshly opened."""
        registry = Registry(self.home)
        ledger = LedgerReader(self.ledger, registry.versions.values())
        return [
            RegistryReader(registry),
            CellReader(registry, open_index(self.home)),
            RunReader(self.history),
            PinReader(self.project),
            ledger,
            FeedbackReader(open_database(self.records), ledger),
        ]

    @property
    def records(self) -> str:
        """The database of predictions."""
        return database_url(None, self.home.databases / "feedback.db", named="records.database")

    def register(
        self, name: str, cells: pd.DataFrame, run: str, data: str, *, text: str | None = None, **tags: str
    ) -> str:
        """A version without a model; `text` is what is logged in the manifest's place."""
        import mlflow

        client = mlflow.MlflowClient(self.home.tracking_uri, self.home.tracking_uri)
        if client.get_experiment_by_name(name) is None:
            client.create_experiment(name, artifact_location=self.home.artifacts.as_uri())
            client.create_registered_model(name)
        tracked = client.create_run(client.get_experiment_by_name(name).experiment_id)
        csv = cells.to_csv(index=False) if text is None else text
        for path, content in (("data/manifest.csv", csv), ("report.html", "<p>"), ("provenance.json", "{}")):
            client.log_text(tracked.info.run_id, content, path)
        client.log_text(tracked.info.run_id, "{}", "sbom.cdx.json")
        told = {
            "data_version": data, "manifest_digest": manifest_digest(cells),
            "golden_digest": rows_digest(golden_part(cells)),
            "git_commit": "d4" * 20 + "+dirty", "lock_digest": LOCK, "zenml_run": run,
            "model_digest": hashlib.sha256(f"{name}{run}".encode()).hexdigest(), **tags,
        }  # fmt: skip
        kept = {key: value for key, value in told.items() if value}
        source = f"{tracked.info.artifact_uri}/model"
        return str(client.create_model_version(name, source, tracked.info.run_id, tags=kept).version)

    def predict(self, model: str, *, of: str, time: str, kept: bool = True) -> str:
        """A kept prediction."""
        given = Prediction(
            time=time, model=model, model_digest="e5" * 32, data_version=DATA[0], image=of, label="neutrophil",
            probabilities={"neutrophil": 1.0}, set=["neutrophil"], strangeness=0.1, unlike_training=False, refer=False,
        )  # fmt: skip
        engine = open_database(self.records)
        tables.prepare(engine)
        with engine.begin() as connection:
            insert_predictions(connection, [(given, kept)])
        self.predictions.append(given.id)
        return given.id


@cache
def _empty_registry() -> bytes:
    """MLflow takes seconds to make its tables: once is enough."""
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "mlflow.db"
        mlflow.MlflowClient(f"sqlite:///{store}", f"sqlite:///{store}").search_registered_models()
        return store.read_bytes()


def make_world(folder: Path, *, registry: bool = True) -> World:
    """An empty home, with or without a registry, and a project with a pinned data set."""
    home = Apart(folder / "home")
    home.root.mkdir(parents=True)
    if registry:
        (home.root / "mlflow.db").write_bytes(_empty_registry())
    project = folder / "project"
    project.mkdir()
    digest = DATA[0].removeprefix("md5:")
    (project / "data.dvc").write_text(
        f"outs:\n- md5: {digest}\n  size: 10\n  nfiles: 3\n  hash: md5\n  path: data\n", encoding="utf-8"
    )
    return World(home, project)


RUNS = ("11111111-aaaa-4aaa-8aaa-000000000001", "22222222-bbbb-4bbb-8bbb-000000000002")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two versions of one model and one of another; `c` is a training cell of the first and golden in the second."""
    made = make_world(tmp_path_factory.mktemp("lineage"))
    made.history.records += [
        RunRecord(run, "training_pipeline", f"run-{number}", "completed", "2026-01-01T00:00:00", "", DATA[0])
        for number, run in enumerate(RUNS)
    ]
    ledger = made.ledger
    ledger.append("validation", f"data:{DATA[0]}", {"success": True})
    first, second = manifest("abcde", "ab"), manifest("abcdef", "bc")
    made.register("cells", first, RUNS[0], DATA[0])
    made.register("cells", second, RUNS[1], DATA[0])
    made.register("<i>other", manifest("xyz", "z"), "33333333-cccc-4ccc-8ccc-000000000003", DATA[1])
    for kind in ("registration", "verdict", "promotion"):
        ledger.append(kind, "model:cells/1", {"passed": True})
    ledger.append("deployment", "model:cells/1", {})
    made.predict("cells/1", of=image("new"), time="2100-01-01T00:00:00")
    made.predict("cells/1", of=image("a"), time="2100-01-02T00:00:00", kept=False)
    made.predict("cells/2", of=image("new"), time="2000-01-01T00:00:00")
    ledger.append("retrain", f"run:{RUNS[1]}", {"reason": "feedback"})
    return made
