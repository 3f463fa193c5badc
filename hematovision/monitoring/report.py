"""The report a person opens: the verdict on one page, Evidently's report beside it, and both as JSON."""

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict

from hematovision.monitoring.drift import DriftVerdict, Signal
from hematovision.monitoring.observations import CONFIDENCE, ENTROPY, PREDICTED_CLASS, SET_SIZE, STRANGENESS
from hematovision.monitoring.reference import Reference
from hematovision.monitoring.signals import EMBEDDING, EMBEDDING_MEAN

PAGE, VERDICT = "drift.html", "verdict.json"
EVIDENTLY_PAGE, EVIDENTLY_RECORD = "evidently.html", "evidently.json"

_WORDS = {
    "brightness": "How bright the pictures are",
    "contrast": "How far light and dark lie apart",
    "sharpness": "How crisp the edges are",
    "saturation": "How strong the colours are",
    PREDICTED_CLASS: "The mix of predicted cell types",
    CONFIDENCE: "How sure the model is; only a fall counts",
    ENTROPY: "How undecided the model is, in bits; only a rise counts",
    SET_SIZE: "How many classes cannot be excluded; only a rise counts",
    STRANGENESS: "How far the cells lie from those the model learnt from; only a rise counts",
    EMBEDDING_MEAN: "The average look of the cells, as the network sees it",
    EMBEDDING: "The whole spread of looks, as the network sees it",
}


class Picture(NamedTuple):
    """An image to show: its name and the bytes of a PNG or JPEG."""

    name: str
    data: bytes


class DriftReport(BaseModel):
    """Where the files of a report lie; `page` is the one to open."""

    model_config = ConfigDict(frozen=True)

    page: Path
    verdict: Path
    evidently_page: Path
    evidently_record: Path


def write_report(
    reference: Reference,
    observed: pd.DataFrame,
    verdict: DriftVerdict,
    folder: Path,
    *,
    model: str,
    source: str,
    unusual: Sequence[Picture] = (),
    workspace: tuple[Path, str] | None = None,
) -> DriftReport:
    """Write the report of a verdict to `folder`, which is made if need be.

    `observed` is `reference.observe(...)` of the same n images, `model` and `source` name what was checked against
    what, `unusual` the pictures to look at first. Every file stands alone, without the network. `workspace` is the
    folder of an Evidently workspace and the project there that is given the run too.
    """
    from hematovision.monitoring.evidently_report import add_to_workspace, write_evidently

    folder.mkdir(parents=True, exist_ok=True)
    files = DriftReport(
        page=folder / PAGE,
        verdict=folder / VERDICT,
        evidently_page=folder / EVIDENTLY_PAGE,
        evidently_record=folder / EVIDENTLY_RECORD,
    )
    current = observed.iloc[verdict.judged].reset_index(drop=True)
    write_evidently(reference.observations, current, verdict, html=files.evidently_page, record=files.evidently_record)
    if workspace:
        add_to_workspace(*workspace, reference.observations, current, verdict)
    files.verdict.write_text(verdict.model_dump_json(indent=2) + "\n", encoding="utf-8")
    page = render_page(reference, current, verdict, model=model, source=source, unusual=unusual)
    files.page.write_text(page, encoding="utf-8")
    return files


def render_page(
    reference: Reference,
    current: pd.DataFrame,
    verdict: DriftVerdict,
    *,
    model: str,
    source: str,
    unusual: Sequence[Picture] = (),
) -> str:
    """The verdict's page as one self-contained HTML document; `current` holds the judged images only."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    from hematovision.evaluation.svg import inline
    from hematovision.monitoring import plots

    past = reference.observations
    figures = [
        plots.signal_strengths(verdict.ranked),
        plots.embedding_map(past, current),
        plots.class_mix(past, current, reference.classes),
        *(plots.distribution(past[name], current[name]) for name in _most_shifted(verdict, past)),
    ]
    environment = Environment(
        loader=PackageLoader("hematovision.monitoring", "."), autoescape=select_autoescape(["html.j2"], default=True),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("report.html.j2").render(
        verdict=verdict,
        judged=len(current),
        alarms=[signal for signal in verdict.ranked if signal.alarm],
        rows=[(signal, words(signal)) for signal in verdict.ranked],
        figures=[inline(figure, prefix=f"figure{number}") for number, figure in enumerate(figures)],
        model=model,
        source=source,
        pictures=[(picture.name, _data_uri(picture.data)) for picture in unusual],
        evidently=EVIDENTLY_PAGE,
        record=VERDICT,
    )


def words(signal: Signal) -> str:
    """What a signal means, for somebody who does not know its name."""
    return _WORDS.get(signal.name, "One direction of the cells' look, as the network sees it")


def _most_shifted(verdict: DriftVerdict, observations: pd.DataFrame, *, count: int = 4) -> list[str]:
    numeric = [signal.name for signal in verdict.ranked if signal.name in observations.columns]
    return [name for name in numeric if name != PREDICTED_CLASS][:count]


def _data_uri(data: bytes) -> str:
    kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{b64encode(data).decode('ascii')}"
