"""What lies round a cell on the glass: red cells with central pallor, stray platelets, and the look of a slide."""

from dataclasses import dataclass

from hematovision.data.synthetic.arithmetic import FloatArray, smoothstep
from hematovision.data.synthetic.draws import Draws
from hematovision.data.synthetic.painting import AZURE, EOSIN, HAEMOGLOBIN
from hematovision.data.synthetic.shapes import Field

_REACH = 1.5


@dataclass(frozen=True)
class SlideLook:
    """What all pictures of one slide share: dye uptake, light, colour cast, and how its red cells lie."""

    dye_uptake: tuple[float, float, float, float]
    light: float
    colour_cast: tuple[float, float, float]
    light_direction: tuple[float, float]
    crowding: float
    pallor: float
    plasma: float


def draw_slide_look(draws: Draws, *, variation: float) -> SlideLook:
    """The look of a new slide; `variation` scales the spread between slides (0: all alike)."""
    strength = draws.around(1.0, 0.16 * variation)
    balance = draws.around(0.0, 0.2 * variation)
    return SlideLook(
        dye_uptake=(
            strength * (1.0 + balance),
            strength * (1.0 - balance),
            strength,
            draws.around(1.0, 0.2 * variation),
        ),
        light=draws.around(1.0, 0.05 * variation),
        colour_cast=(
            draws.around(1.0, 0.02 * variation),
            draws.around(1.0, 0.015 * variation),
            draws.around(1.0, 0.045 * variation),
        ),
        light_direction=draws.direction(),
        crowding=draws.around(0.62, 0.22),
        pallor=draws.around(0.72, 0.2),
        plasma=draws.between(0.0, 0.025),
    )


def paint_red_cells(planes: FloatArray, field: Field, look: SlideLook, draws: Draws, *, clearing: float) -> None:
    """Add red cells to the planes (4, H, W) in place; those within `clearing` µm of the origin are pushed aside."""
    crowding = min(0.98, max(0.05, look.crowding + draws.around(0.0, 0.4)))
    bent = field.warped(draws, amplitude_um=0.38, period_um=4.5)
    half = field.half_width
    pitch = 8.1
    steps = int(half / pitch) + 2
    shift_x, shift_y = draws.between(-4.0, 4.0), draws.between(-4.0, 4.0)
    for row in range(-steps, steps + 1):
        for column in range(-steps, steps + 1):
            x = shift_x + pitch * (column + 0.5 * (row % 2)) + draws.around(0.0, 3.2)
            y = shift_y + 0.9 * pitch * row + draws.around(0.0, 3.2)
            radius = draws.around(3.7, 0.55)
            if draws.chance(crowding):
                x, y = _pushed(x, y, clearing + 0.9 * radius)
                _paint_red_cell(planes, bent, look, draws, (x, y, radius))


def _pushed(x: float, y: float, reach: float) -> tuple[float, float]:
    square = x * x + y * y
    if square >= reach * reach:
        return x, y
    stretch = 0.5 * (1.0 + reach * reach / (square + 0.3))
    stretch = min(stretch, reach / 0.3)
    return x * stretch, y * stretch


def _paint_red_cell(
    planes: FloatArray, field: Field, look: SlideLook, draws: Draws, disc: tuple[float, float, float]
) -> None:
    x, y, radius = disc
    rows, columns = field.window(x, y, _REACH * radius)
    if planes[0, rows, columns].size == 0:
        return
    axis, stretch = draws.direction(), draws.around(1.06, 0.14)
    pallor, width = look.pallor * draws.around(0.85, 0.3), draws.around(0.62, 0.12)
    depth, blue = draws.around(1.0, 0.14), draws.between(0.0, 0.05)
    dx, dy = field.x[rows, columns] - x, field.y[rows, columns] - y
    along, across = (dx * axis[0] + dy * axis[1]) / stretch, (dy * axis[0] - dx * axis[1]) * stretch
    square = (along * along + across * across) / (radius * radius)
    body = smoothstep(1.08, 0.94, square)
    body = body * (depth * (1.0 - pallor * smoothstep(width, 0.04, square)))
    planes[HAEMOGLOBIN, rows, columns] += body
    planes[AZURE, rows, columns] += blue * body
    planes[EOSIN, rows, columns] += 0.06 * body
