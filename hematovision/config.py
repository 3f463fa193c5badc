"""The whole configuration of a run: read from YAML, laid over the defaults in configs/, checked key by key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.settings import ValidationSettings
from hematovision.data.synthetic.settings import SyntheticPlan
from hematovision.data.versions.settings import RemoteSettings
from hematovision.database import refuse_password
from hematovision.errors import UsageError
from hematovision.evaluation.settings import RobustnessSettings, SliceSettings
from hematovision.feedback.settings import FeedbackSettings
from hematovision.home import CONFIGS, PROJECT
from hematovision.improvement.settings import ImprovementSettings
from hematovision.learning.search.settings import SearchSettings
from hematovision.learning.settings import AdaptationSettings, LearningSettings
from hematovision.monitoring.settings import DriftSettings
from hematovision.rehearsal.settings import RehearsalSettings
from hematovision.scheduling.settings import SchedulingSettings
from hematovision.serving.settings import ServingSettings

DEFAULT_CONFIG = CONFIGS / "default.yaml"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReadingSettings(_Section):
    """How pictures are read: limits in pixels, the margin around a VOC box as a share of its sides, threads."""

    max_pixels: int = Field(ge=1)
    min_side: int = Field(ge=1)
    voc_margin: float = Field(ge=0, le=1)
    workers: int = Field(ge=1)


class SplitSettings(_Section):
    """How cells are divided; `keep_source_splits` makes a source's own test cells the golden set."""

    golden_fraction: float = Field(gt=0, lt=1)
    folds: int = Field(ge=2)
    keep_source_splits: bool
    on_leakage: Literal["refuse", "regroup"]


class EvaluationSettings(_Section):
    """Intervals, calibration bins, shares of cells answered, and how many pictures a report shows."""

    confidence: float = Field(gt=0, lt=1)
    resamples: int = Field(ge=100)
    ece_bins: int = Field(ge=2)
    answered_shares: list[Annotated[float, Field(gt=0, le=1)]]
    mistakes_shown: int = Field(ge=0)
    cells_shown_per_class: int = Field(ge=1)
    thumbnail_side: int = Field(ge=16)
    thumbnail_quality: int = Field(ge=1, le=95)
    correct_shown_per_class: int = Field(ge=0)
    slices: SliceSettings


class TrustSettings(_Section):
    """How sure a prediction set shall be, and how many ordinary cells may be flagged as strange."""

    confidence: float = Field(gt=0, lt=1)
    false_flag_rate: float = Field(gt=0, lt=1)


class RegistrySettings(_Section):
    """Where versions go: the name in the MLflow registry, which is the experiment's too."""

    model_name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")


class PromotionSettings(_Section):
    """What a version is judged by.

    Attributes:
        policy: a YAML file laid over configs/promotion.yaml, or the bare name of one in configs/; None is that alone.
    """

    policy: str | None


class RecordsSettings(_Section):
    """Where ledger, feedback and schedules are kept.

    Attributes:
        database: a URL as SQLAlchemy takes it, or `$NAME` of an environment variable holding one; None is a sqlite file
            each in the home.
    """

    database: str | None

    _database_is_no_secret = field_validator("database")(refuse_password)


class LineageSettings(_Section):
    """How many images, predictions and feedback items an answer shows; the others are counted."""

    shown: int = Field(ge=1)


class RunConfig(_Section):
    """Everything a run depends on besides the data themselves.

    Attributes:
        data: path of the data set; `synthetic` is the embedded set that data.dvc pins.
        seed: of every random generator.
    """

    data: str
    seed: int = Field(ge=0, lt=2**31)
    synthetic: SyntheticPlan
    reading: ReadingSettings
    duplicates: DuplicateSettings
    validation: ValidationSettings
    split: SplitSettings
    learning: LearningSettings
    trust: TrustSettings
    evaluation: EvaluationSettings
    robustness: RobustnessSettings
    monitoring: DriftSettings
    search: SearchSettings
    registry: RegistrySettings
    promotion: PromotionSettings
    records: RecordsSettings
    serving: ServingSettings
    lineage: LineageSettings
    feedback: FeedbackSettings
    improvement: ImprovementSettings
    adaptation: AdaptationSettings
    scheduling: SchedulingSettings
    rehearsal: RehearsalSettings
    data_versions: RemoteSettings


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.yaml")))
        raise UsageError(f"No configuration at {path}. Give a YAML file, or the name of one in configs/: {known}.")
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} must hold a mapping of settings, not {type(content).__name__}.")
    return content


def overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with others laid over them."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = overlay(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def read_layer(path: Path) -> dict[str, Any]:
    """The settings of one file, by its path or by its bare name in configs/."""
    named = CONFIGS / f"{path}.yaml"
    return _read_yaml(named if path.suffix == "" and not path.exists() and named.exists() else path)


def load_config(path: Path | None = None, changes: Mapping[str, Any] | None = None) -> RunConfig:
    """The defaults, with a file laid over them and then single changes.

    Args:
        path: a YAML file holding any part of the settings, or the bare name of a file in configs/.
        changes: nested settings from the command line.

    Raises:
        UsageError: naming the file and every key that is unknown or out of range.
    """
    content = _read_yaml(DEFAULT_CONFIG)
    if path is not None:
        content = overlay(content, read_layer(path))
    content = overlay(content, changes or {})
    try:
        return RunConfig.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise UsageError(f"The configuration{f' in {path}' if path else ''} is not usable: {problems}.") from error


def differences(config: RunConfig) -> dict[str, Any]:
    """The overlay that makes the defaults into this configuration."""

    def changed(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        found = {key: value for key, value in now.items() if key not in before or value != before[key]}
        for key, value in found.items():
            if isinstance(value, Mapping) and isinstance(before.get(key), Mapping):
                found[key] = changed(value, before[key])
        return found

    return changed(config.model_dump(mode="json"), load_config().model_dump(mode="json"))


def data_path(config: RunConfig) -> Path:
    """Where the data set lies; `synthetic` means the folder that data.dvc pins."""
    return PROJECT / "data" if config.data == "synthetic" else Path(config.data).expanduser().resolve()
