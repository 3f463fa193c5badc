"""The MLflow side: one run a training, one version a model."""

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from uuid import uuid4

from pydantic import BaseModel

from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import PROJECT, Home
from hematovision.learning.curves import Epoch
from hematovision.registry.unfinished import Work, unfinished
from hematovision.registry.versions import client_of, use_store
from hematovision.registry.webhooks import tell_version_created

KEY = "registration"
"""The tag of a run by which a registration that was killed is found again."""

SERVING_LIBRARIES = (
    "mlflow",
    "openvino",
    "numpy",
    "pandas",
    "pillow",
    "opencv-python-headless",
    "pydantic",
    "scipy",
    "safetensors",
)


class Registration(BaseModel):
    """A registered model version; `uri` is what `--model` and `mlflow.pyfunc.load_model` take."""

    name: str
    version: str
    uri: str
    run_id: str


@dataclass(frozen=True)
class Evidence:
    """What is tracked beside the model itself.

    Attributes:
        parameters: flat settings. metrics: final figures. curves: learning curves.
        documents: texts by artifact path, such as the report. files: by artifact path.
        tags: of the registered version: data version, git commit, ZenML run.
    """

    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    curves: Sequence[Epoch]
    documents: Mapping[str, str]
    files: Mapping[str, Path]
    tags: Mapping[str, str]


@contextmanager
def tracking(home: Home, experiment: str) -> Iterator[Any]:
    """MLflow pointed at the home's store (or the user's), with the experiment made; yields the `mlflow` module."""
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    use_store(home)
    if mlflow.get_experiment_by_name(experiment) is None:
        local = home.tracking_uri.startswith("sqlite:")
        mlflow.create_experiment(experiment, artifact_location=home.artifacts.as_uri() if local else None)
    mlflow.set_experiment(experiment)
    yield mlflow


def _log_evidence(mlflow: Any, evidence: Evidence) -> None:
    mlflow.log_params(dict(evidence.parameters))
    mlflow.log_metrics(dict(evidence.metrics))
    for step, epoch in enumerate(evidence.curves, start=1):
        figures = {name: value for name, value in epoch.model_dump().items() if name != "phase"}
        mlflow.log_metrics(figures, step=step)
    for path, text in evidence.documents.items():
        mlflow.log_text(text, path)
    for path, file in evidence.files.items():
        mlflow.log_artifact(str(file), str(Path(path).parent))
    mlflow.set_tags(dict(evidence.tags))


def register(
    home: Home,
    name: str,
    package: Path,
    reference: Path,
    example: bytes,
    evidence: Evidence,
    finish: Callable[[Registration], None],
    *,
    database: str | None,
) -> Registration:
    """Track a training, log its model from code, and register it.

    The version appears in one transaction, when everything it is made of is there. A mark is kept until it is finished,
    so that the next start after a kill finishes it, or ends the run where there is no version yet.

    Args:
        package: folder written by `write_package`. reference: folder of the monitoring reference.
        example: one encoded picture, logged as the input example; its answer gives the signature.
        finish: what follows once the version is there; may be done again. database: the setting `records.database`.
    """
    key = uuid4().hex
    with unfinished(home, Work(what="registration", name=name, key=key, database=database)):
        registered = _register(home, name, package, reference, example, evidence, key)
        finish(registered)
    return registered


def _register(
    home: Home, name: str, package: Path, reference: Path, example: bytes, evidence: Evidence, key: str
) -> Registration:
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    spec = json.loads((package / "spec.json").read_text())
    columns: list[ColSpec | TensorSpec] = [
        ColSpec("string", "label"),
        ColSpec("string", "set"),
        *(ColSpec("double", label) for label in spec["classes"]),
        ColSpec("double", "strangeness"),
        ColSpec("string", "unlike_training"),
        ColSpec("string", "error"),
    ]
    signature = ModelSignature(inputs=Schema([ColSpec("binary", "image")]), outputs=Schema(columns))
    with (
        tempfile.TemporaryDirectory() as staging,
        tracking(home, name) as mlflow,
        mlflow.start_run(tags={KEY: key}) as run,
    ):
        folders = {"package": package, "reference": reference}  # MLflow keeps a folder under its own name
        staged = {part: str(shutil.copytree(folder, Path(staging) / part)) for part, folder in folders.items()}
        _log_evidence(mlflow, evidence)
        info = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts=staged,
            code_paths=[str(PROJECT / "hematovision")],
            signature=signature,
            input_example=pd.DataFrame({"image": [example]}),
            pip_requirements=[f"{library}=={version(library)}" for library in SERVING_LIBRARIES],
        )
        created = _new_version(client_of(home), name, info, dict(evidence.tags))
    number, identity = str(created.version), str(run.info.run_id)
    tell_version_created(home, name, number, info.model_uri, identity, dict(evidence.tags))
    return Registration(name=name, version=number, uri=f"models:/{name}/{number}", run_id=identity)


def _new_version(client: Any, name: str, info: Any, tags: dict[str, Any]) -> Any:
    """As `mlflow.register_model` does it, which would print two lines on standard error."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client.create_model_version(name, info.model_uri, tags=tags, model_id=info.model_id)


def fetch_model(home: Home, uri: str) -> Path:
    """The local folder of a logged model, with `artifacts/package` and `artifacts/reference` inside.

    Args:
        uri: `models:/name/version`, `models:/name@alias`, `runs:/…`, or a local folder.

    Raises:
        UsageError: there is no such model.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    if urlparse(uri).scheme not in ("models", "runs"):
        folder = Path(uri)
        if not (folder / "artifacts" / "package").is_dir():
            raise UsageError(
                f"{uri} is no model: give models:/NAME/VERSION, models:/NAME@ALIAS or the folder of a logged model."
            )
        return folder
    logging.getLogger("alembic").setLevel(logging.ERROR)
    use_store(home)
    try:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except MlflowException as error:
        raise UsageError(f"{uri} is not in the registry at {home.tracking_uri}: {error.message}") from error
    if not (folder / "artifacts" / "package").is_dir():
        raise HematoVisionError(f"{uri} was not registered by HematoVision: it holds no artifacts/package.")
    return folder
