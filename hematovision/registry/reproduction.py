"""A registered version made again from its record, in a home of its own, and how far it is from what was registered."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from hematovision.data.versions.keeping import KeptVersions
from hematovision.data.versions.records import KeptVersion
from hematovision.data.versions.remote import remote_address, restore_from_anywhere
from hematovision.data.versions.settings import RemoteSettings
from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import Home
from hematovision.provenance import git_commit, machine, software_versions
from hematovision.registry.card_facts import CardFacts
from hematovision.registry.data_usage import data_of
from hematovision.registry.mlflow_registry import fetch_model
from hematovision.registry.model_card import read_facts
from hematovision.registry.package import DIGESTS, package_digest, verify_package
from hematovision.registry.publication import CONFIG, CandidateSummary
from hematovision.registry.versions import use_store

_STATE = ("ZENML_", "MLFLOW_TRACKING", "MLFLOW_REGISTRY", "HEMATOVISION_")
_LAST_LINES = 12


class Difference(BaseModel):
    """One figure as recorded and as it came out again."""

    model_config = ConfigDict(frozen=True)

    name: str
    recorded: float
    reproduced: float

    @property
    def change(self) -> float:
        """What it gained."""
        return self.reproduced - self.recorded


class Reproduction(BaseModel):
    """How far a version made again is from its record.

    Attributes:
        identical: every file of the model has the digest it was registered with.
        files: files of the model that differ.
        metrics: figures on the golden set and the folds.
        warnings: what was not as it was then: code, libraries, machine.
        package: folder of the model made again, where it was to be kept.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    data_version: str
    identical: bool
    recorded_digest: str
    reproduced_digest: str
    files: list[str]
    metrics: list[Difference]
    warnings: list[str]
    package: str | None


def reproduce(
    home: Home,
    version: Any,
    settings: RemoteSettings,
    *,
    keep: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Reproduction:
    """Train a registered version again from its recorded settings and data; nothing is registered.

    It runs as `hematovision train` in a home of its own, so that no cached step, feature or checkpoint takes part.

    Args:
        version: MLflow's model version. settings: where its data are fetched from, if they are not here.
        keep: a folder that is not there, for the model made again.

    Raises:
        UsageError: the version records too little. HematoVisionError: its data are lost, or the training failed.
    """
    facts, config = read_facts(home, version), _recorded_config(home, version)
    _refuse_retrain(version, config)
    _refuse_adapted(version, facts)
    versions = KeptVersions(home.data_versions)
    data = versions.find(data_of(home, f"{version.name}/{version.version}"))
    recorded = fetch_model(home, f"models:/{version.name}/{version.version}") / "artifacts" / "package"
    verify_package(recorded)
    with tempfile.TemporaryDirectory(prefix="reproduction-", dir=home.root) as name:
        folder = Path(name)
        path = _restored(data, versions, folder, settings, home, progress)
        made = _train(folder, path, config)
        summary = CandidateSummary.model_validate(made)
        package = Path(summary.package)
        if keep is not None:
            package = package.rename(_new(keep))
        return Reproduction(
            model=f"{version.name}/{version.version}",
            data_version=data.version,
            identical=package_digest(package) == facts.model_digest,
            recorded_digest=facts.model_digest,
            reproduced_digest=package_digest(package),
            files=_different(recorded, package),
            metrics=_differences(facts, summary),
            warnings=_warnings(facts),
            package=str(package) if keep else None,
        )


def _new(keep: Path) -> Path:
    if os.path.lexists(keep):
        raise UsageError(f"{keep} exists already; name a folder that does not.")
    keep.parent.mkdir(parents=True, exist_ok=True)
    return keep


def _recorded_config(home: Home, version: Any) -> dict[str, Any]:
    import mlflow
    from mlflow.exceptions import MlflowException

    use_store(home)
    try:
        config: dict[str, Any] = json.loads(mlflow.artifacts.load_text(f"runs:/{version.run_id}/{CONFIG}"))
    except (MlflowException, OSError, ValueError) as error:
        raise UsageError(
            f"{version.name}/{version.version} has no readable {CONFIG} among its artifacts: {error}"
        ) from error
    return config


def _refuse_retrain(version: Any, config: Mapping[str, Any]) -> None:
    """A version of `hematovision improve` went on from what another had learnt, which its settings do not hold."""
    parts = Path(str(config.get("data"))).parts
    if len(parts) > 2 and parts[-2].startswith("retrain-") and parts[-3] == "runs":
        raise UsageError(
            f"{version.name}/{version.version} went on from a champion with accepted corrections; only versions "
            "trained from the start are reproduced. Its data can be had: `hematovision data checkout`."
        )


def _refuse_adapted(version: Any, facts: CardFacts) -> None:
    adapted = facts.specification.adapted
    if adapted:
        raise UsageError(
            f"{version.name}/{version.version} is {adapted.base} moved towards pictures of another site; reproduce "
            f"{adapted.base}, and adapt it again to the same pictures."
        )


def _restored(
    data: KeptVersion,
    versions: KeptVersions,
    folder: Path,
    settings: RemoteSettings,
    home: Home,
    progress: Callable[[int, int], None] | None,
) -> Path:
    """The data on disk; what a .dvc file pinned lies beside that file again, and is checked against it."""
    path = folder / "data" / data.name
    address = remote_address(settings, home.data_remote)
    restore_from_anywhere(data, versions, path, address, settings.options, progress=progress)
    if data.pinned:
        (path.parent / ".dvc").mkdir()
        (path.parent / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
        out = {"md5": data.content, "size": data.size, "hash": "md5", "path": data.name}
        if data.content.endswith(".dir"):
            out["nfiles"] = data.files
        path.with_name(f"{path.name}.dvc").write_text(yaml.safe_dump({"outs": [out]}), encoding="utf-8")
    return path


def _train(folder: Path, path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    (folder / "home").mkdir()
    recorded = folder / "recorded.yaml"
    recorded.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("hematovision")), "train", "--json"]
    command += ["--config", str(recorded), "--data", str(path)]
    with _environment(folder / "home") as environment:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0 or not done.stdout:
        last = "\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise HematoVisionError(f"The training could not be repeated (exit code {done.returncode}):\n{last}")
    document: dict[str, Any] = json.loads(done.stdout)
    return {name: value for name, value in document.items() if name not in ("schema", "seconds")}


@contextmanager
def _environment(home: Path) -> Iterator[dict[str, str]]:
    """This process's environment, its stores left out: ZenML's, MLflow's and ours are those of the new home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_STATE)}
    yield {**kept, "HEMATOVISION_HOME": str(home)}


def _different(recorded: Path, package: Path) -> list[str]:
    then, now = (json.loads((folder / DIGESTS).read_text()) for folder in (recorded, package))
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))


def _differences(facts: CardFacts, made: CandidateSummary) -> list[Difference]:
    golden, folds = facts.drawn.content.evaluation, facts.drawn.content.cross_validation
    pairs = {
        "golden accuracy": (golden.accuracy, made.golden.accuracy),
        "golden macro-F1": (golden.macro_f1, made.golden.macro_f1),
        "golden calibration error": (golden.ece, made.golden.ece),
    }
    if folds:
        pairs |= {
            "fold accuracy": (folds.accuracy, made.cross_validation.accuracy),
            "fold macro-F1": (folds.macro_f1, made.cross_validation.macro_f1),
        }
    return [Difference(name=name, recorded=then.value, reproduced=now.value) for name, (then, now) in pairs.items()]


def _warnings(facts: CardFacts) -> list[str]:
    origin, commit = facts.drawn.content.provenance, git_commit()
    then = f"{origin.git_commit}{'+dirty' if origin.dirty else ''}"
    said = []
    if commit != then:
        said.append(f"code: {commit} now, {then} then")
    if origin.dirty:
        said.append("code: the recorded run used changes that are in no commit; they cannot be had again")
    recorded, now = facts.specification.software, software_versions()
    moved = [f"{name} {now.get(name)} ({old} then)" for name, old in sorted(recorded.items()) if now.get(name) != old]
    if moved:
        said.append(f"libraries: {', '.join(moved)}")
    if machine() != facts.machine:
        said.append(f"machine: {', '.join(machine().values())} now, {', '.join(facts.machine.values())} then")
    return said
