"""Shapes of nuclei: round, indented, bent and segmented, each a chain of lobes."""

import math

from hematovision.data.synthetic.draws import Draws
from hematovision.data.synthetic.shapes import Chain, Lobe


def round_nucleus(draws: Draws, radius: float, *, ovalness: float, shift: float) -> Chain:
    """A disc drawn out by `ovalness` (0 is a circle) and moved off the centre of the cell by `shift` µm."""
    c, s = draws.direction()
    dx, dy = draws.direction()
    half = 0.5 * ovalness * radius
    r = radius - 0.5 * half
    ends = (
        Lobe(shift * dx - half * c, shift * dy - half * s, r),
        Lobe(shift * dx + half * c, shift * dy + half * s, r),
    )
    return Chain(ends, link=r, blend=0.4)


def indentation(draws: Draws, outline: Chain, depth: float) -> Lobe:
    """A disc that bites `depth` µm into the long side of a round nucleus."""
    first, last = outline.lobes[0], outline.lobes[-1]
    ex, ey = last.x - first.x, last.y - first.y
    length = math.sqrt(ex * ex + ey * ey) + 1e-9
    side = 1.0 if draws.chance(0.5) else -1.0
    bite = first.radius * draws.between(0.55, 0.9)
    reach = first.radius + bite - depth
    middle_x, middle_y = 0.5 * (first.x + last.x), 0.5 * (first.y + last.y)
    return Lobe(middle_x - side * reach * ey / length, middle_y + side * reach * ex / length, bite)


def bent_nucleus(draws: Draws, *, bend_radius: float, thickness: float, sweep: float) -> Chain:
    """A sausage along an arc: kidney (small sweep), horseshoe or band (large sweep).

    `sweep` is the tangent of a quarter of the arc's angle: 0.41 sweeps 90°, 1 sweeps 180°, 1.7 sweeps 240°.
    """
    c, s = draws.direction()
    lobes = []
    for step in range(7):
        t = sweep * (step - 3) / 3.0
        x, y = bend_radius * (1.0 - t * t) / (1.0 + t * t), bend_radius * 2.0 * t / (1.0 + t * t)
        swell = 1.06 if step in (0, 1, 5, 6) else 1.0
        lobes.append(Lobe(x * c - y * s, x * s + y * c, 0.5 * thickness * swell * draws.around(1.0, 0.12)))
    return centred(Chain(tuple(lobes), link=0.46 * thickness, blend=0.5), pull=0.75)


def segmented_nucleus(draws: Draws, lobes: int, *, lobe_radius: float, gap: float, strand: float) -> Chain:
    """Lobes in a winding row, `gap` diameters apart (below 1: overlapping), joined by strands `strand` µm in radius."""
    heading = draws.direction()
    turn = 1.0 if draws.chance(0.5) else -1.0
    x, y = 0.0, 0.0
    row: list[Lobe] = []
    for _ in range(lobes):
        radius = lobe_radius * draws.around(1.0, 0.22)
        if row:
            step = gap * (row[-1].radius + radius) * draws.around(1.0, 0.12)
            heading = _turned(heading, turn * draws.between(0.15, 0.75))
            x, y = x + step * heading[0], y + step * heading[1]
            turn = -turn if draws.chance(0.2) else turn
        row.extend(_lobe(draws, x, y, radius, heading))
    return centred(Chain(tuple(row), link=strand, blend=0.55), pull=1.0)


def _lobe(draws: Draws, x: float, y: float, radius: float, heading: tuple[float, float]) -> list[Lobe]:
    """One lobe, drawn out across the row so that it is no perfect disc."""
    tx, ty = _turned(heading, draws.between(-0.6, 0.6))
    spread = radius * draws.between(0.15, 0.5)
    r = radius * 0.9
    return [Lobe(x - spread * ty, y + spread * tx, r), Lobe(x + spread * ty, y - spread * tx, r)]


def _turned(heading: tuple[float, float], t: float) -> tuple[float, float]:
    """A direction turned by the angle whose half has the tangent `t`."""
    c, s = (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
    return heading[0] * c - heading[1] * s, heading[0] * s + heading[1] * c


def centred(chain: Chain, *, pull: float) -> Chain:
    """The chain with the middle of its bounding box moved towards the origin (`pull` 1: onto it)."""
    left, right = min(p.x - p.radius for p in chain.lobes), max(p.x + p.radius for p in chain.lobes)
    top, bottom = min(p.y - p.radius for p in chain.lobes), max(p.y + p.radius for p in chain.lobes)
    dx, dy = 0.5 * pull * (left + right), 0.5 * pull * (top + bottom)
    return Chain(tuple(Lobe(p.x - dx, p.y - dy, p.radius) for p in chain.lobes), chain.link, chain.blend)


def fitted(chain: Chain, reach: float) -> Chain:
    """The chain shrunk, where needed, until it stays within `reach` µm of the origin."""
    furthest = max(math.sqrt(p.x * p.x + p.y * p.y) + p.radius for p in chain.lobes)
    if furthest <= reach:
        return chain
    k = reach / furthest
    return Chain(tuple(Lobe(p.x * k, p.y * k, p.radius * k) for p in chain.lobes), chain.link * k, chain.blend * k)
