"""What a model card tells, gathered from the run that made the model; nothing in it is typed by a person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from hematovision.config import RunConfig, differences
from hematovision.data.versions.records import KeptVersion
from hematovision.evaluation.report import DrawnReport
from hematovision.evaluation.robustness import Robustness
from hematovision.monitoring.reference import Reference
from hematovision.provenance import machine
from hematovision.registry.package import ModelSpecification, package_digest, verify_package

MISTAKES, CELLS = 8, 2
"""Pictures on a card: mistakes in all, and cells of a class."""

FIGURES = ("confusion", "reliability", "coverage", "robustness", "slices-golden set", "slices-out-of-fold cells")
FEW_CELLS = 20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Weights(_Part):
    """Where the backbone's first weights come from; None where their publisher does not say, or there are none."""

    name: str
    library: str
    licence: str | None
    address: str | None
    parameters: int


class Baseline(_Part):
    """What later pictures are compared with: cells, their groups, what is observed of each."""

    cells: int
    groups: int
    observed: list[str]


class CardFacts(_Part):
    """Everything on a card that the run decided; approvals come later and are read when a card is written.

    Attributes:
        made: when the model was registered, UTC.
        data: the kept data version; None where it is not kept.
        changed: settings that are not the defaults.
        machine: processor, system and cores of the training.
    """

    format: int = 1
    made: str
    model_digest: str
    drawn: DrawnReport
    specification: ModelSpecification
    data: KeptVersion | None
    weights: Weights
    baseline: Baseline
    changed: dict[str, str]
    epochs: int
    machine: dict[str, str]

    @property
    def limits(self) -> list[str]:
        """What the evidence does not show, in sentences, from the figures."""
        return [*_limits_of_data(self), *_limits_of_answers(self)]


def gather_facts(
    drawn: DrawnReport, package: Path, reference: Path, data: KeptVersion | None, config: RunConfig, epochs: int
) -> CardFacts:
    """The facts of a candidate about to be registered."""
    specification = verify_package(package)
    return CardFacts(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        model_digest=package_digest(package),
        drawn=_shortened(drawn),
        specification=specification,
        data=data,
        weights=_weights(specification),
        baseline=_baseline(Reference.load(reference)),
        changed=_flat("", differences(config)),
        epochs=epochs,
        machine=machine(),
    )


def _shortened(drawn: DrawnReport) -> DrawnReport:
    content = drawn.content
    sheet = {label: cells[:CELLS] for label, cells in content.data.contact_sheet.items()}
    data = content.data.model_copy(update={"contact_sheet": sheet, "duplicates": content.data.duplicates[:1]})
    few = content.model_copy(update={"data": data, "mistakes": content.mistakes[:MISTAKES], "correct": {}})
    return DrawnReport(content=few, figures={name: drawn.figures.get(name, "") for name in FIGURES})


def _weights(specification: ModelSpecification) -> Weights:
    from hematovision.learning.backbones.catalogue import describe, find_architecture

    architecture = find_architecture(specification.backbone)
    pretrained = specification.weights != "none"
    return Weights(
        name=specification.weights,
        library=architecture.library,
        licence=architecture.licence if pretrained else None,
        address=architecture.checkpoint.address if pretrained and architecture.checkpoint else None,
        parameters=describe(specification.backbone).parameters,
    )


def _baseline(reference: Reference) -> Baseline:
    return Baseline(
        cells=len(reference), groups=len(set(reference.groups)), observed=list(map(str, reference.observations.columns))
    )


def _flat(prefix: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {prefix: str(value)}
    parts = (_flat(f"{prefix}.{key}" if prefix else str(key), part) for key, part in value.items())
    return {name: text for part in parts for name, text in part.items()}


def _limits_of_data(facts: CardFacts) -> list[str]:
    evaluation, said = facts.drawn.content.evaluation, []
    if facts.specification.synthetic:
        said.append("It has seen drawn cells only. Nothing here says how it reads real blood.")
    if evaluation.groups is None or evaluation.groups == evaluation.n:
        said.append(
            "No slide or patient is known of the cells: cells of one patient may stand on both sides of the split, and "
            "the intervals take cells for independent."
        )
    few = [name for name, scores in evaluation.per_class.items() if scores.n < FEW_CELLS]
    if few:
        said.append(f"Scored on fewer than {FEW_CELLS} golden cells each: {', '.join(few)}.")
    said.append(
        f"It knows {len(facts.specification.classes)} classes and the look of one data set. A cell of another type is "
        "given one of these classes, and another stain or scanner needs evidence of its own."
    )
    adapted = facts.specification.adapted
    if adapted:
        said.append(
            f"Its batch norms were moved towards {adapted.pictures} pictures of another site without labels. Every "
            "figure here, calibration and prediction sets among them, is of the home site: none says how right it is "
            "at the other one. Score it there on labelled cells (`hematovision evaluate`) before it is relied on."
        )
    return said


def _limits_of_answers(facts: CardFacts) -> list[str]:
    content, said = facts.drawn.content, []
    always = [facts.specification.classes[number] for number in facts.specification.sets.always]
    if always:
        said.append(f"Too few cells to exclude {', '.join(always)} from any set: every set holds them.")
    for part in content.slices:
        if part.worse:
            named = ", ".join(f"{found.kind.replace('_', ' ')}: {found.value}" for found in part.worse[:5])
            said.append(f"Worse than the rest beyond chance on the {part.cells}: {named}.")
    said.append(_limit_of_robustness(content.robustness))
    return said


def _limit_of_robustness(tested: Robustness | None) -> str:
    if tested is None or not tested.scores:
        return "Spoilt pictures (blur, stain, light, compression) were not tested."
    worst = max(tested.scores, key=lambda score: score.drop)
    return (
        f"Spoilt pictures cost accuracy, most of all {worst.corruption} (severity {worst.severity}): "
        f"{100 * worst.drop:.0f} points on {tested.n} cells."
    )
