"""Lays a cell down on the stain planes: cytoplasm, granules, vacuoles, nucleus and its chromatin."""

from dataclasses import dataclass

import numpy as np

from hematovision.data.synthetic.arithmetic import FloatArray, clamp, smoothstep
from hematovision.data.synthetic.draws import Draws
from hematovision.data.synthetic.morphology import Cell, Dye, Granules, Nucleus
from hematovision.data.synthetic.shapes import Field, disc, ellipse, inside, union

_EDGE_UM = 0.16
EOSIN, AZURE, CHROMATIN, HAEMOGLOBIN = range(4)


@dataclass(frozen=True)
class Texture:
    """Noise shared by all structures of one cell (H, W): large clouds and a fine grain of unit variance."""

    cloud: FloatArray
    fine: FloatArray


def paint_cell(planes: FloatArray, field: Field, cell: Cell, draws: Draws, *, at: tuple[float, float]) -> None:
    """Draw the cell, centred on the point `at` (µm), over the stain planes (4, H, W) in place."""
    rows, columns = field.window(*at, 1.25 * cell.radius + 1.5 * cell.wave + 0.5)
    field, planes = field.seen_from(*at, rows, columns), planes[:, rows, columns]
    if planes.size == 0:
        return
    scale = field.pixels_per_um
    texture = Texture(draws.cloud(field.shape, 1.6 * scale), draws.grain(field.shape, 0.22 * scale))
    bent = field.warped(draws, amplitude_um=cell.wave, period_um=0.55 * cell.radius + 0.6)
    outline = ellipse(bent, cell.radius, cell.elongation, cell.axis)
    body = inside(outline, _EDGE_UM)
    _paint_cytoplasm(planes, cell, outline, body, texture)
    nucleus = np.zeros_like(body)
    if cell.nucleus is not None:
        nucleus = _paint_nucleus(planes, field, cell.nucleus, body, texture, draws)
    for granules in cell.granules:
        dots = granule_cover(field, granules, texture, draws) * smoothstep(0.1, -0.35, outline)
        lay(planes, dots * (granules.cover * (1.0 - nucleus * (1.0 - granules.over_nucleus))), granules.dye)
    for hole in cell.vacuoles:
        pale = inside(disc(field, hole), 0.2) * body * (1.0 - nucleus) * 0.85
        lay(planes, pale, Dye(eosin=0.02))


def lay(planes: FloatArray, cover: FloatArray, dye: Dye) -> None:
    """Replace what lies beneath by the dye, in proportion to `cover` (H, W) in [0, 1]."""
    for plane, amount in zip(planes, dye.planes(), strict=True):
        plane += cover * (amount - plane)


def _paint_cytoplasm(planes: FloatArray, cell: Cell, outline: FloatArray, body: FloatArray, texture: Texture) -> None:
    mottle = 1.0 + cell.mottle * (0.6 * texture.cloud + 0.14 * texture.fine)
    rim = 1.0 + cell.rim * smoothstep(-0.3 * cell.radius, 0.0, outline)
    depth = clamp(mottle * rim, 0.15, 3.0)
    for plane, amount in zip(planes, cell.cytoplasm.planes(), strict=True):
        plane += (0.93 * body) * (amount * depth - plane)


def _paint_nucleus(
    planes: FloatArray, field: Field, nucleus: Nucleus, body: FloatArray, texture: Texture, draws: Draws
) -> FloatArray:
    bent = field.warped(draws, amplitude_um=nucleus.wave, period_um=2.2)
    outline = nucleus.outline.distance(bent)
    for notch in nucleus.notches:
        outline = -union(-outline, disc(bent, notch), 0.8)
    cover = inside(outline, _EDGE_UM) * body
    density = _chromatin(field, nucleus, outline, texture, draws)
    for spot in nucleus.nucleoli:
        density = density - 0.3 * inside(disc(bent, spot), 0.35)
    density = clamp(density, 0.25, 3.0)
    for index, share in ((EOSIN, 0.04), (AZURE, 0.08 + nucleus.blueness), (CHROMATIN, 1.0), (HAEMOGLOBIN, 0.0)):
        planes[index] += cover * (share * density - planes[index])
    return cover


def _chromatin(field: Field, nucleus: Nucleus, outline: FloatArray, texture: Texture, draws: Draws) -> FloatArray:
    """Clumps of chromatin: band-passed noise, flattened above, with a denser membrane and pale creases where folded."""
    sigma = max(0.6, nucleus.clump * field.pixels_per_um * 0.8)
    clumps = clamp(draws.grain(field.shape, sigma), -1.6, 1.3)
    density = 1.0 + nucleus.contrast * (clumps + 0.3 * texture.fine) + 0.14 * smoothstep(-0.7, -0.15, outline)
    if nucleus.folds > 0.0:
        crease = np.abs(draws.cloud(field.shape, 2.6 * field.pixels_per_um))
        density = density - nucleus.folds * smoothstep(0.28, 0.0, crease)
    return nucleus.density * density


def granule_cover(field: Field, granules: Granules, texture: Texture, draws: Draws) -> FloatArray:
    """Coverage (H, W) of discs on a jittered, turned lattice; each pixel looks at its four nearest lattice points."""
    c, s = draws.direction()
    spacing = granules.spacing
    count = int(2.9 * field.reach / spacing) + 4
    u = (field.x * c + field.y * s) / spacing + 0.5 * count + 0.16 * texture.cloud
    v = (field.y * c - field.x * s) / spacing + 0.5 * count + 0.05 * texture.fine
    table = draws.uniform(3, count * count)
    shift_u, shift_v = 0.8 * table[0] - 0.4, 0.8 * table[1] - 0.4
    # A disc wider than 0.6 spacings could reach a pixel that does not look at it, and would be cut straight.
    reach = np.minimum((granules.radius / spacing) * (0.7 + 0.6 * table[2]), 0.6)
    reach = np.where(table[2] < granules.presence, reach, 0.01)
    row, column = np.floor(v), np.floor(u)
    u, v = u - column, v - row
    home = clamp(row, 0.0, count - 2.0).astype(np.int64) * count + clamp(column, 0.0, count - 2.0).astype(np.int64)
    cover = np.zeros_like(u)
    for down in (0, 1):
        for right in (0, 1):
            at = home + (down * count + right)
            du, dv = u - (right + shift_u[at]), v - (down + shift_v[at])
            size = reach[at]
            cover = np.maximum(cover, 1.0 - (du * du + dv * dv) / (size * size))
    return smoothstep(0.0, 0.55, cover)
