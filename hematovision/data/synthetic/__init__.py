"""Draws synthetic stained blood cells, bit for bit the same on every machine.

Owns the look of eight cell classes and of the scanners that picture them. Never reads an image, and no result on its
pictures says anything about real cells.
"""

from hematovision.data.synthetic.dataset import PlannedCell, SyntheticPlan, draw_planned, planned_look, write_dataset
from hematovision.data.synthetic.picture import CELL_CLASSES, draw_cell
from hematovision.data.synthetic.scanner import Scanner, load_scanners
from hematovision.data.synthetic.smear import SlideLook, draw_slide_look

__all__ = [
    "CELL_CLASSES",
    "PlannedCell",
    "Scanner",
    "SlideLook",
    "SyntheticPlan",
    "draw_cell",
    "draw_planned",
    "draw_slide_look",
    "load_scanners",
    "planned_look",
    "write_dataset",
]
