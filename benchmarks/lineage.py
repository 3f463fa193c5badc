"""How long the lineage of a prediction takes: 10,000 predictions, 100 versions and runs, a ledger record of each step.

    python -m benchmarks.lineage [--predictions 10000] [--versions 100] [--cells 1000] [--commands 15] [--home FOLDER]

Makes a home of its own (versions have tags and a manifest, no model; runs have steps, no artifacts), then asks for
predictions, images, versions. Prints the time inside the process, with stores freshly opened each time, then that of
whole commands, the interpreter's start included: the aim is 1 s. Everything that answers name is asked for in turn.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hematovision.config import RunConfig
from hematovision.data.golden import golden_part, rows_digest
from hematovision.data.manifest import COMPLETE, DEVELOPMENT, GOLDEN, manifest_digest
from hematovision.home import Home, activate_home

if TYPE_CHECKING:
    from sqlalchemy import Table

MODEL = "hematovision"
STEPS = ("pin_data", "ingest", "split", "train_fold", "evaluate_model", "register_model")
EMPTY = {"int64": 1, "float64": 1.0, "str": "x"}


def cells(version: int, count: int) -> pd.DataFrame:
    """A manifest of `count` images, one in twenty different from the version before."""
    names = [f"{max(0, version - number % 20)}-{number}" for number in range(count)]
    rows = pd.DataFrame({column: [EMPTY[kind]] * count for column, kind in COMPLETE.items()})
    splits = [GOLDEN if number % 5 == 0 else DEVELOPMENT for number in range(count)]
    hashes = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    return rows.assign(path=[f"{name}.png" for name in names], sha256=hashes, split=splits)


def data_version(version: int) -> str:
    """What a version was trained on."""
    return f"md5:{hashlib.md5(str(version).encode(), usedforsecurity=False).hexdigest()}.dir"


def fill_registry(home: Home, versions: int, count: int) -> list[str]:
    """Register versions; returns the images of the first."""
    import mlflow

    client = mlflow.MlflowClient(home.tracking_uri, home.tracking_uri)
    experiment = client.create_experiment(MODEL, artifact_location=home.artifacts.as_uri())
    client.create_registered_model(MODEL)
    for version in range(versions):
        table = cells(version, count)
        run = client.create_run(experiment)
        client.log_text(run.info.run_id, table.to_csv(index=False), "data/manifest.csv")
        tags = {
            "data_version": data_version(version),
            "manifest_digest": manifest_digest(table),
            "golden_digest": rows_digest(golden_part(table)),
            "git_commit": "a" * 40,
            "lock_digest": "b" * 64,
            "zenml_run": run_id(version),
            "model_digest": hashlib.sha256(str(version).encode()).hexdigest(),
        }
        client.create_model_version(MODEL, f"{run.info.artifact_uri}/model", run.info.run_id, tags=tags)
    return list(cells(0, count)["sha256"])


def run_id(version: int) -> str:
    """The ZenML run that made a version."""
    return f"{version:08d}-0000-4000-8000-000000000000"


def fill_history(home: Home, versions: int) -> None:
    """A run with steps for every version, written into a store that ZenML has made."""
    from sqlalchemy import MetaData, create_engine, insert
    from zenml.client import Client

    project = Client().active_project.id
    (file,) = (home.root / "zenml").glob("stores/*/zenml.db")
    engine, tables = create_engine(f"sqlite:///{file}"), MetaData()
    tables.reflect(engine, only=["pipeline_run", "step_run", "run_metadata", "run_metadata_resource"])
    with engine.begin() as connection:
        for version in range(versions):
            for name, row in rows_of_run(version):
                told = filled_row(tables.tables[name], row | {"project_id": project.hex})
                connection.execute(insert(tables.tables[name]).values(told))
    engine.dispose()


def rows_of_run(version: int) -> Iterator[tuple[str, dict[str, object]]]:
    """What ZenML keeps of one run, as far as a lineage reads it."""
    run = uuid.UUID(run_id(version)).hex
    yield "pipeline_run", {"id": run, "name": f"run-{version}", "status": "completed", "index": version}
    for step in STEPS:
        own = uuid.uuid4().hex
        yield "step_run", {"id": own, "pipeline_run_id": run, "name": step, "status": "completed"}
        if step == "ingest":
            value = json.dumps(data_version(version))
            told: dict[str, object] = {"id": uuid.uuid4().hex, "key": "version", "value": value, "type": "str"}
            yield "run_metadata", told
            link = {"resource_id": own, "resource_type": "step_run", "run_metadata_id": told["id"]}
            yield "run_metadata_resource", {"id": uuid.uuid4().hex, **link}


def filled_row(table: "Table", row: dict[str, object]) -> dict[str, object]:
    """A row with something in every column that must not be empty, and nothing in columns that there are not."""
    kinds = {datetime: datetime(2026, 1, 1), int: 0, bool: False, str: "x"}
    needed = {one.name: kinds[one.type.python_type] for one in table.columns if not one.nullable}
    return needed | {name: value for name, value in row.items() if name in table.columns}


def fill_records(home: Home, versions: int, predictions: int, images: list[str]) -> list[str]:
    """Records about every version, and predictions dealt over the versions; returns some of their ids."""
    from hematovision.database import database_url, open_database
    from hematovision.feedback import tables
    from hematovision.feedback.predictions import insert_predictions
    from hematovision.feedback.records import Prediction
    from hematovision.ledger import open_ledger

    ledger = open_ledger(home, None)
    for version in range(1, versions + 1):
        for kind in ("registration", "verdict", "promotion", "deployment"):
            ledger.append(kind, f"model:{MODEL}/{version}", {})
    given = [
        Prediction(
            model=f"{MODEL}/{number % versions + 1}", model_digest="c" * 64, data_version="md5:x",
            image=images[number % len(images)], label="x", probabilities={"x": 1.0}, set=["x"], strangeness=0.0,
            unlike_training=False, refer=False,
        )
        for number in range(predictions)
    ]  # fmt: skip
    engine = open_database(database_url(None, home.databases / "feedback.db", named="records.database"))
    tables.prepare(engine)
    with engine.begin() as connection:
        insert_predictions(connection, [(one, True) for one in given])
    return [one.id for one in given[:: max(1, predictions // 20)]]


def filled(home: Home, versions: int, predictions: int, count: int) -> tuple[list[str], list[str]]:
    """Images and predictions to ask for; a home that an earlier call has filled is used again."""
    told = home.root / "benchmark.json"
    if not told.exists():
        images = fill_registry(home, versions, count)
        fill_history(home, versions)
        told.write_text(json.dumps([images, fill_records(home, versions, predictions, images)]))
    images, given = json.loads(told.read_text())
    return images, given


def ask(home: Home, config: RunConfig, subject: str) -> tuple[float, float, int]:
    """Wall and processor seconds of one answer with stores freshly opened, and how many things it holds."""
    from hematovision.cli.lineage_stores import lineage_readers
    from hematovision.lineage.tracing import trace

    wall, processor = time.perf_counter(), time.process_time()
    graph = trace(subject, lineage_readers(home, config), model_name=MODEL, shown=config.lineage.shown)
    return time.perf_counter() - wall, time.process_time() - processor, len(graph.nodes)


def links(home: Home, config: RunConfig, subject: str) -> tuple[int, int]:
    """Things an answer names, and how many of them can be asked for by that name."""
    from hematovision.cli.lineage_stores import lineage_readers
    from hematovision.errors import UsageError
    from hematovision.lineage.tracing import resolve, trace

    readers = lineage_readers(home, config)
    named = list(trace(subject, readers, model_name=MODEL, shown=config.lineage.shown).nodes)
    found = 0
    for thing in named:
        try:
            found += resolve(str(thing), readers, model_name=MODEL) == thing
        except UsageError as error:
            print(error)
    return len(named), found


def tell(what: str, answers: list[tuple[float, float, int]]) -> None:
    """One line: the median and the worst."""
    walls = [wall for wall, _, _ in answers]
    processor = statistics.median(used for _, used, _ in answers)
    print(
        f"{what:<44} {statistics.median(walls):7.3f} s, worst {max(walls):.3f} s, processor {processor:.3f} s, "
        f"{answers[-1][2]} things, n = {len(answers)}"
    )


def main() -> None:
    """Fill a home, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in (("predictions", 10_000), ("versions", 100), ("cells", 1000), ("commands", 15)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--home", type=Path, default=None)
    asked = parser.parse_args()
    folder = asked.home or Path(tempfile.mkdtemp(prefix="hematovision-lineage-"))
    os.environ["HEMATOVISION_HOME"] = str(folder)
    home = activate_home()
    from hematovision.config import load_config

    config = load_config()
    images, predictions = filled(home, asked.versions, asked.predictions, asked.cells)
    print(f"{asked.predictions} predictions, {asked.versions} versions of {asked.cells} cells each, in {folder}")
    tell("first question: libraries loaded, one manifest", [ask(home, config, predictions[0])])
    tell("a prediction", [ask(home, config, one) for one in predictions])
    tell("an image, index of all manifests made", [ask(home, config, images[1])])
    tell("an image, index there", [ask(home, config, one) for one in images[1:6]])
    tell("a version", [ask(home, config, f"{MODEL}/{number}") for number in range(1, min(asked.versions, 5) + 1)])
    named, found = map(sum, zip(*(links(home, config, one) for one in predictions[:5]), strict=True))
    print(f"{'things named for five predictions':<44} {named}, of which {found} can be asked for")
    print(f"whole commands, the interpreter's start included, n = {asked.commands} each")
    for what, subject in (("a prediction", predictions[0]), ("a version", f"{MODEL}/1"), ("an image", images[1])):
        walls, inside = zip(*(command(subject) for _ in range(asked.commands)), strict=True)
        told = f"{statistics.median(walls):7.3f} s, worst {max(walls):.3f} s"
        print(f"  {what:<42} {told}, of it answering {statistics.median(inside):.3f} s")


def command(subject: str) -> tuple[float, float]:
    """Wall seconds of `hematovision lineage SUBJECT --json` in a process of its own, and those it says it took."""
    line = [sys.executable, "-c", "from hematovision.cli import main; main()", "lineage", subject, "--json"]
    started = time.perf_counter()
    done = subprocess.run(line, check=True, capture_output=True)
    return time.perf_counter() - started, json.loads(done.stdout)["seconds"]


if __name__ == "__main__":
    main()
