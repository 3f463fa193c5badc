"""The MLflow side: one run a training, one version a model, the alias `challenger` on the newest."""

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

from pydantic import BaseModel

from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import PROJECT, Home
from hematovision.learning.curves import Epoch
from hematovision.registry.versions import use_store
from hematovision.registry.webhooks import tell_alias_set, tell_version_created

CHALLENGER = "challenger"
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
    finish: Callable[[Any, Registration], None],
) -> Registration:
    """Track a training, log its model from code, register it and move the alias `challenger` to it.

    Args:
        package: folder written by `write_package`. reference: folder of the monitoring reference.
        example: one encoded picture, logged as the input example; its answer gives the signature.
        finish: given MLflow's client and the new version, adds to it what names the version, before the alias moves.
    """
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
    with tempfile.TemporaryDirectory() as staging, tracking(home, name) as mlflow, mlflow.start_run() as run:
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
        client = mlflow.MlflowClient()
        created = mlflow.register_model(info.model_uri, name, tags=dict(evidence.tags))
        registered = Registration(
            name=name, version=str(created.version), uri=f"models:/{name}/{created.version}", run_id=run.info.run_id
        )
        finish(client, registered)
        client.set_registered_model_alias(name, CHALLENGER, created.version)
    tell_version_created(home, name, registered.version, info.model_uri, registered.run_id, dict(evidence.tags))
    tell_alias_set(home, name, CHALLENGER, registered.version)
    return registered


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
