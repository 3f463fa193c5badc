"""What changed and why: the page of a retrain, under the headings of a predetermined change control plan.

Headings after FDA, "Marketing Submission Recommendations for a Predetermined Change Control Plan for Artificial
Intelligence-Enabled Device Software Functions", 2024: description of modifications, modification protocol, impact
assessment.
"""

import pandas as pd

from hematovision.config import EvaluationSettings, RunConfig
from hematovision.data.decoding import decode
from hematovision.data.store import ImageStore
from hematovision.evaluation.metrics import Evaluation
from hematovision.evaluation.pictures import Picture, picture
from hematovision.improvement.doubts import DoubtedCell, Doubts
from hematovision.improvement.gathering import Material
from hematovision.improvement.measuring import NewCells


def change_report(
    material: Material,
    manifest: pd.DataFrame,
    left_out: pd.DataFrame,
    new_cells: NewCells,
    doubts: Doubts,
    golden: Evaluation,
    store: ImageStore,
    config: RunConfig,
) -> str:
    """One self-contained HTML page.

    Args:
        store: holds the pictures of the doubted cells, of which `evaluation.mistakes_shown` are shown.
    """
    fresh = manifest[manifest["sha256"].isin(material.beginning.fresh)]
    known = len(manifest) - len(fresh)
    by_label = fresh.groupby(["label", "split"]).size().unstack(fill_value=0).to_dict("index")
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    rooms = [PackageLoader(f"hematovision.{room}", ".") for room in ("improvement", "evaluation")]
    environment = Environment(loader=ChoiceLoader(rooms), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("report.html.j2").render(
        material=material,
        known=known,
        fresh=len(fresh),
        by_label=by_label,
        left_out=left_out.to_dict("records"),
        new=new_cells,
        doubts=doubts,
        shown=_shown(doubts, store, config.evaluation, config.reading.max_pixels),
        golden=golden,
        settings=config.improvement,
        rehearsed=config.learning.training.rehearsed,
    )


def _shown(
    doubts: Doubts, store: ImageStore, settings: EvaluationSettings, max_pixels: int
) -> list[tuple[DoubtedCell, Picture]]:
    side, quality = settings.thumbnail_side, settings.thumbnail_quality
    return [
        (cell, picture(decode(store.read(cell.image), max_pixels=max_pixels), cell.image, side=side, quality=quality))
        for cell in doubts.cells[: settings.mistakes_shown]
    ]
