"""What a report is made of; every part but the evaluation and its data may be missing."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from hematovision.evaluation.cross_validation import CrossValidation
from hematovision.evaluation.metrics import Evaluation
from hematovision.evaluation.mistakes import Mistake
from hematovision.evaluation.pictures import Picture
from hematovision.evaluation.plots import LearningCurve
from hematovision.evaluation.robustness import Robustness
from hematovision.evaluation.slices import Slices


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LeftOut(_Part):
    """A file that was quarantined, and why."""

    path: str
    reason: str


class Data(_Part):
    """The cells behind the numbers.

    Attributes:
        name, version, source: what the data set is called, its exact version, and where it came from.
        n: cells accepted.
        synthetic: drawn by a program; the page says so loudly.
        counts: cells by class and, inside, by split.
        quarantine: files left out.
        duplicates: paths of the cells of each near-duplicate cluster.
        without_counterpart: cells by label that the model has no class for; counted, not scored.
        contact_sheet: pictures by class.
    """

    name: str
    version: str
    source: str
    n: int
    synthetic: bool
    counts: dict[str, dict[str, int]] = Field(default_factory=dict)
    quarantine: list[LeftOut] = Field(default_factory=list)
    duplicates: list[list[str]] = Field(default_factory=list)
    without_counterpart: dict[str, int] = Field(default_factory=dict)
    contact_sheet: dict[str, list[Picture]] = Field(default_factory=dict)


class ShownMistake(_Part):
    """A mistake with its picture, and where the network looked for the class it named."""

    mistake: Mistake
    picture: Picture
    heat: Picture | None = None


class ShownCell(_Part):
    """A cell given the right class, and where the network looked for it."""

    picture: Picture
    heat: Picture


class Training(_Part):
    """How the model was made: settings by name, and learning curves, the final training last."""

    settings: dict[str, str] = Field(default_factory=dict)
    curves: list[LearningCurve] = Field(default_factory=list)


class Provenance(_Part):
    """Where the result comes from; `dirty` says that the code differed from the commit. None where not known."""

    manifest_digest: str | None = None
    golden_digest: str | None = None
    git_commit: str | None = None
    dirty: bool = False
    seed: int | None = None
    zenml_run: str | None = None
    mlflow_run: str | None = None
    libraries: dict[str, str] = Field(default_factory=dict)


class ReportContent(_Part):
    """One report.

    Attributes:
        model: name of the model.
        model_version: its version in the registry; None for a candidate that has none yet.
        evaluated_on: what `evaluation` scored, such as "golden set" or "new data".
        correct: some cells by class that were given the right one.
        slices: where it fails, a part for each set of predictions.
        robustness: what is left of its accuracy when pictures go wrong.
        notes: what else a reader must know, such as why there are no heat maps.
        created: when; None leaves it out, so that the same content gives the same bytes.
    """

    model: str
    model_version: str | None = None
    created: datetime | None = None
    evaluated_on: str
    data: Data
    evaluation: Evaluation
    cross_validation: CrossValidation | None = None
    mistakes: list[ShownMistake] = Field(default_factory=list)
    correct: dict[str, list[ShownCell]] = Field(default_factory=dict)
    slices: list[Slices] = Field(default_factory=list)
    slices_shown: int = 16
    robustness: Robustness | None = None
    notes: list[str] = Field(default_factory=list)
    training: Training | None = None
    provenance: Provenance = Field(default_factory=Provenance)
