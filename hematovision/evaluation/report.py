"""The report: one HTML file that needs nothing else, for screen, dark screen and paper."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from hematovision.errors import HematoVisionError
from hematovision.evaluation import failure_plots, plots, trust_plots
from hematovision.evaluation.intervals import Interval
from hematovision.evaluation.metrics import Evaluation
from hematovision.evaluation.mistakes import Mistake
from hematovision.evaluation.overlay import overlay
from hematovision.evaluation.pictures import Load, Picture, picture
from hematovision.evaluation.report_content import ReportContent, ShownCell, ShownMistake
from hematovision.evaluation.svg import inline

if TYPE_CHECKING:
    from jinja2 import Environment

_FEW_GROUPS = 10  # below this, Student's t and not the data sets the width of an interval

_PERCENT = "\N{NO-BREAK SPACE}%"

Explain = Callable[[Sequence[NDArray[np.uint8]], Sequence[str]], NDArray[np.float32]]


def show_mistakes(
    mistakes: Sequence[Mistake], load: Load, *, side: int, quality: int, explain: Explain | None = None
) -> list[ShownMistake]:
    """Mistakes with thumbnails, their longer side `side` pixels.

    Args:
        load: gives the RGB image of a sha256.
        explain: gives heat maps (N, h, w) in 0–1 of images for the classes named; without it there are none.
    """
    images = [load(m.sha256) for m in mistakes]
    heats = _heats(images, [m.predicted for m in mistakes], [m.path for m in mistakes], explain, side, quality)
    return [
        ShownMistake(mistake=m, picture=picture(image, m.path, side=side, quality=quality), heat=heat)
        for m, image, heat in zip(mistakes, images, heats, strict=True)
    ]


def show_correct(
    cells: Mapping[str, Sequence[tuple[str, str]]], load: Load, explain: Explain, *, side: int, quality: int
) -> dict[str, list[ShownCell]]:
    """Cells with thumbnails and heat maps by class; `cells` holds path and sha256 of each."""
    shown = {}
    for label, named in cells.items():
        images = [load(sha256) for _, sha256 in named]
        paths = [path for path, _ in named]
        heats = _heats(images, [label] * len(images), paths, explain, side, quality)
        shown[label] = [
            ShownCell(picture=picture(image, path, side=side, quality=quality), heat=heat)
            for image, path, heat in zip(images, paths, heats, strict=True)
            if heat
        ]
    return {label: row for label, row in shown.items() if row}


def _heats(
    images: Sequence[NDArray[np.uint8]],
    labels: Sequence[str],
    paths: Sequence[str],
    explain: Explain | None,
    side: int,
    quality: int,
) -> list[Picture | None]:
    if explain is None:
        return [None] * len(images)
    return [
        picture(overlay(image, heat), path, side=side, quality=quality)
        for image, heat, path in zip(images, explain(images, labels), paths, strict=True)
    ]


class DrawnReport(BaseModel):
    """A report with its plots: inline SVG by name, '' where there is nothing to show."""

    model_config = ConfigDict(frozen=True)

    content: ReportContent
    figures: dict[str, str]


def draw_report(report: ReportContent) -> DrawnReport:
    """Draw every plot of a report."""
    return DrawnReport(content=report, figures=_figures(report))


def render_report(report: ReportContent | DrawnReport) -> str:
    """The page as one string of HTML: no script, no request, and every name in it escaped.

    Raises:
        HematoVisionError: a picture that is not a data URI, which would make the page load something.
    """
    drawn = report if isinstance(report, DrawnReport) else draw_report(report)
    content = drawn.content
    check_pictures(content)
    return (
        template_environment("hematovision.evaluation")
        .get_template("report.html.j2")
        .render(
            report=content,
            data=content.data,
            evaluation=content.evaluation,
            figures=drawn.figures,
            notes=notes(content.evaluation),
            level=f"{100 * content.evaluation.confidence:g} %",
        )
    )


def template_environment(*packages: str) -> "Environment":
    """Jinja with the templates of these packages and the report's ways to write figures; HTML is escaped."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, ".") for package in packages]),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, interval=interval_words, digits=digits, ascending=ascending)
    environment.filters["slice_name"] = failure_plots.slice_name
    return environment


def percent(share: float) -> str:
    """0.9876 → `98.8 %`; less than a whole is never rounded up to 100 %."""
    shown = f"{100 * share:.1f}"
    return ("99.9" if shown == "100.0" and share < 1 else shown) + _PERCENT


def digits(value: float) -> str:
    """Three decimals; less than a whole is never rounded up to 1."""
    shown = f"{value:.3f}"
    return "0.999" if shown == "1.000" and value < 1 else shown


def interval_words(interval: Interval | None, *, shares: bool = True) -> str:
    """The limits as `97.7 – 99.4 %` or `0.012 – 0.034`; a dash where there is nothing to say."""
    if interval is None:
        return "–"
    if not shares:
        return f"{digits(interval.low)}\N{NO-BREAK SPACE}– {digits(interval.high)}"
    return f"{percent(interval.low).removesuffix(_PERCENT)}\N{NO-BREAK SPACE}– {percent(interval.high)}"


def ascending(evaluation: Evaluation) -> list[str]:
    """Class names, the lowest F1 first and classes without a cell last."""
    found = {name: scores.f1.value if scores.f1 else 2.0 for name, scores in evaluation.per_class.items()}
    return sorted(found, key=lambda name: (found[name], name))


def notes(evaluation: Evaluation) -> list[str]:
    """What a reader must know before trusting the numbers, in plain words."""
    said = []
    if evaluation.groups is not None and evaluation.groups < evaluation.n:
        said.append(
            f"The {evaluation.n} cells come from {evaluation.groups} groups (slides, photographs or patients). Cells "
            f"of a group resemble each other: for the intervals they count as {evaluation.effective_n:.0f} independent "
            "cells."
        )
        if evaluation.groups < _FEW_GROUPS:
            said.append("So few groups say little about the next slide: the intervals are wide, and rightly so.")
    if evaluation.absent:
        said.append(
            f"Without a cell of {', '.join(evaluation.absent)}, macro scores are means over the other classes and no "
            "AUROC is given."
        )
    return said


def _figures(report: ReportContent) -> dict[str, str]:
    """Inline SVG by name; what has nothing to show is an empty string."""
    training, folds, tested = report.training, report.cross_validation, report.robustness
    drawn = {
        "counts": plots.class_counts(report.data.counts) if report.data.counts else "",
        "confusion": plots.confusion_matrix(report.evaluation),
        "reliability": plots.reliability(report.evaluation),
        "classes": plots.class_f1(report.evaluation),
        "folds": plots.folds(folds) if folds else "",
        **_trust_figures(report),
        "curves": plots.learning_curves(training.curves) if training and training.curves else "",
        "robustness": failure_plots.robustness_table(tested) if tested and tested.scores else "",
    }
    for part in report.slices:
        telling = part.slices and part.accuracy.value < 1
        drawn[f"slices-{part.cells}"] = failure_plots.slice_dots(part, limit=report.slices_shown) if telling else ""
    return {
        name: inline(document, prefix=name.replace(" ", "-")) if document else "" for name, document in drawn.items()
    }


def _trust_figures(report: ReportContent) -> dict[str, str]:
    trust, folds = report.evaluation.trust, report.cross_validation
    if trust is None:
        return {}
    out_of_fold = {"out of fold": folds.trust.selection} if folds and folds.trust else {}
    return {
        "coverage": trust_plots.coverage(trust.sets),
        "selection": trust_plots.selection({report.evaluated_on: trust.selection, **out_of_fold}),
        "strangeness": trust_plots.strangeness(trust.strangeness) if trust.strangeness else "",
    }


def check_pictures(report: ReportContent) -> None:
    """Raise HematoVisionError where a picture is no data URI: a page would load it from somewhere."""
    shown: list[Picture] = [m.picture for m in report.mistakes]
    shown += [m.heat for m in report.mistakes if m.heat]
    shown += [image for row in report.correct.values() for cell in row for image in (cell.picture, cell.heat)]
    shown += [cell for cells in report.data.contact_sheet.values() for cell in cells]
    for cell in shown:
        if not cell.src.startswith("data:image/"):
            raise HematoVisionError(f"{cell.path}: the report takes pictures as data URIs only, got {cell.src[:40]!r}")
