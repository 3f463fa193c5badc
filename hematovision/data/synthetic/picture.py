"""Draws one synthetic picture: a cell of a class on a slide, seen by a scanner."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from hematovision.data.synthetic import granulocytes, mononuclears
from hematovision.data.synthetic.arithmetic import FloatArray
from hematovision.data.synthetic.draws import Draws
from hematovision.data.synthetic.exposure import expose
from hematovision.data.synthetic.morphology import Cell
from hematovision.data.synthetic.painting import EOSIN, paint_cell
from hematovision.data.synthetic.scanner import Scanner
from hematovision.data.synthetic.shapes import Field
from hematovision.data.synthetic.smear import SlideLook, paint_red_cells
from hematovision.errors import UsageError

RECIPES: Mapping[str, Callable[[Draws], Cell]] = MappingProxyType(
    {
        "basophil": granulocytes.basophil,
        "eosinophil": granulocytes.eosinophil,
        "erythroblast": mononuclears.erythroblast,
        "immature_granulocyte": granulocytes.immature_granulocyte,
        "lymphocyte": mononuclears.lymphocyte,
        "monocyte": mononuclears.monocyte,
        "neutrophil": granulocytes.neutrophil,
        "platelet": mononuclears.platelet,
    }
)
CELL_CLASSES = tuple(RECIPES)

_NEIGHBOUR_CHANCE = 0.08
_STRAY_PLATELET_CHANCE = 0.3


def draw_cell(
    cell_class: str, rng: np.random.Generator, *, scanner: Scanner, look: SlideLook, size: int
) -> NDArray[np.uint8]:
    """One picture (size, size, 3) uint8 RGB of a cell of the class, the same bits on every CPU.

    Raises:
        UsageError: the class is not one of `CELL_CLASSES`.
    """
    if cell_class not in RECIPES:
        raise UsageError(f"no synthetic cell class {cell_class!r}; choose one of {', '.join(CELL_CLASSES)}")
    draws = Draws(rng)
    field = Field.of(size, scanner.optics.field_um)
    planes = np.zeros((4, size, size))
    planes[EOSIN] += look.plasma * (1.0 + 0.5 * draws.cloud(field.shape, 0.5 * size))
    cell = RECIPES[cell_class](draws)
    paint_red_cells(planes, field, look, draws, clearing=cell.radius)
    _paint_company(planes, field, cell, draws)
    paint_cell(planes, field, cell, draws, at=(draws.around(0.0, 1.2), draws.around(0.0, 1.2)))
    return expose(planes, field, scanner, look, draws)


def _paint_company(planes: FloatArray, field: Field, cell: Cell, draws: Draws) -> None:
    """Stray platelets beside the cell, and now and then another white cell cut by the border."""
    half = field.half_width
    if draws.chance(_STRAY_PLATELET_CHANCE):
        dx, dy = draws.direction()
        away = draws.between(cell.radius + 2.5, max(cell.radius + 2.6, 1.25 * half))
        paint_cell(planes, field, mononuclears.platelet(draws), draws, at=(away * dx, away * dy))
    if draws.chance(_NEIGHBOUR_CHANCE):
        neighbour = RECIPES[CELL_CLASSES[draws.choose((1.0,) * len(CELL_CLASSES))]](draws)
        dx, dy = draws.direction()
        away = max(cell.radius, 0.8 * half) + neighbour.radius + 0.5
        paint_cell(planes, field, neighbour, draws, at=(away * dx, away * dy))
