"""What changed and why: the page of a retrain, under the headings of a predetermined change control plan.

Headings after FDA, "Marketing Submission Recommendations for a Predetermined Change Control Plan for Artificial
Intelligence-Enabled Device Software Functions", 2024: description of modifications, modification protocol, impact
assessment.
"""

import pandas as pd

from hematovision.evaluation.metrics import Evaluation
from hematovision.improvement.gathering import Material
from hematovision.improvement.measuring import NewCells
from hematovision.improvement.settings import ImprovementSettings


def change_report(
    material: Material,
    manifest: pd.DataFrame,
    left_out: pd.DataFrame,
    new_cells: NewCells,
    golden: Evaluation,
    settings: ImprovementSettings,
) -> str:
    """One self-contained HTML page."""
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
        golden=golden,
        settings=settings,
    )
