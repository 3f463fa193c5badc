"""Neutrophils, eosinophils, basophils and the immature granulocytes they come from."""

from hematovision.data.synthetic.draws import Draws
from hematovision.data.synthetic.morphology import Cell, Dye, Granules, Nucleus
from hematovision.data.synthetic.nuclei import bent_nucleus, fitted, indentation, round_nucleus, segmented_nucleus
from hematovision.data.synthetic.shapes import Chain, Lobe

_ALMOST_BAND = 0.88


def neutrophil(draws: Draws) -> Cell:
    """Two to five lobes on strands, or a band; pale pink cytoplasm dusted with fine granules."""
    radius = draws.around(6.3, 0.9)
    toxic = draws.between(0.0, 1.0) * draws.between(0.0, 1.0)
    fine = Granules(
        spacing=draws.between(0.55, 0.75),
        radius=draws.between(0.24, 0.34),
        presence=0.8,
        dye=Dye(eosin=0.25, chromatin=0.16 + 0.28 * toxic),
        cover=draws.between(0.4, 0.75),
        over_nucleus=0.0,
    )
    return Cell(
        radius=radius,
        elongation=draws.around(1.03, 0.1),
        axis=draws.direction(),
        wave=draws.between(0.25, 0.6),
        cytoplasm=Dye(
            eosin=draws.around(0.2, 0.09), azure=draws.between(0.0, 0.07), chromatin=draws.around(0.05, 0.04)
        ),
        mottle=0.25,
        rim=draws.between(0.0, 0.3),
        nucleus=Nucleus(
            _neutrophil_outline(draws, radius),
            density=draws.around(1.12, 0.16),
            contrast=draws.around(0.24, 0.08),
            clump=draws.around(0.42, 0.08),
            wave=0.22,
        ),
        granules=(fine,),
    )


def _neutrophil_outline(draws: Draws, radius: float) -> Chain:
    lobes = 1 + draws.choose((0.15, 0.13, 0.40, 0.25, 0.07))
    if lobes == 1:
        return _band(draws, radius, thickness=(0.36, 0.5))
    lobe_radius = radius * (0.16, 0.37, 0.31, 0.265, 0.235)[lobes - 1]
    row = segmented_nucleus(
        draws, lobes, lobe_radius=lobe_radius, gap=draws.between(0.85, 1.2), strand=draws.between(0.25, 0.6)
    )
    return fitted(row, 0.92 * radius)


def _band(draws: Draws, radius: float, *, thickness: tuple[float, float]) -> Chain:
    """A band or, where thicker, the nucleus of a late metamyelocyte: the two shade into each other."""
    band = bent_nucleus(
        draws,
        bend_radius=radius * draws.between(0.42, 0.55),
        thickness=radius * draws.between(*thickness),
        sweep=draws.between(0.75, 1.7),
    )
    return fitted(band, 0.9 * radius)


def eosinophil(draws: Draws) -> Cell:
    """Mostly two lobes; cytoplasm packed with large orange-red granules."""
    radius = draws.around(6.6, 0.8)
    lobes = 2 + draws.choose((0.78, 0.22))
    row = segmented_nucleus(
        draws,
        lobes,
        lobe_radius=radius * (0.4 if lobes == 2 else 0.31),
        gap=draws.between(0.85, 1.1),
        strand=draws.between(0.3, 0.7),
    )
    redness = draws.between(0.26, 0.5) if draws.chance(0.1) else draws.between(0.55, 1.0)
    spacing = draws.between(0.85, 1.1)
    coarse = Granules(
        spacing=spacing,
        radius=spacing * draws.between(0.5, 0.58),
        presence=draws.between(0.75, 1.0),
        dye=Dye(eosin=redness, chromatin=draws.between(0.0, 0.12)),
        cover=draws.between(0.75, 0.95),
        over_nucleus=0.12,
    )
    return Cell(
        radius=radius,
        elongation=draws.around(1.04, 0.12),
        axis=draws.direction(),
        wave=draws.between(0.3, 0.7),
        cytoplasm=Dye(eosin=0.42 * redness, azure=draws.between(0.0, 0.1), chromatin=draws.between(0.02, 0.1)),
        mottle=0.2,
        rim=draws.between(0.0, 0.3),
        nucleus=Nucleus(
            fitted(row, 0.9 * radius),
            density=draws.around(1.08, 0.16),
            contrast=draws.around(0.22, 0.08),
            clump=draws.around(0.45, 0.08),
            wave=0.22,
        ),
        granules=(coarse,),
    )


def basophil(draws: Draws) -> Cell:
    """Coarse blue-black granules over cytoplasm and nucleus, which they hide in part; some cells have lost many."""
    radius = draws.around(5.9, 0.8)
    lobes = 2 + draws.choose((0.6, 0.4))
    row = segmented_nucleus(
        draws,
        lobes,
        lobe_radius=radius * (0.46 if lobes == 2 else 0.38),
        gap=draws.between(0.6, 0.85),
        strand=1.0,
    )
    spacing = draws.between(1.0, 1.35)
    coarse = Granules(
        spacing=spacing,
        radius=spacing * draws.between(0.36, 0.52),
        presence=1.0 - 0.7 * draws.between(0.0, 1.0) * draws.between(0.1, 1.0),
        dye=Dye(azure=draws.between(0.15, 0.4), chromatin=draws.around(1.55, 0.3)),
        cover=draws.between(0.8, 0.97),
        over_nucleus=draws.between(0.55, 0.95),
    )
    return Cell(
        radius=radius,
        elongation=draws.around(1.05, 0.15),
        axis=draws.direction(),
        wave=draws.between(0.4, 0.9),
        cytoplasm=Dye(
            eosin=draws.between(0.08, 0.2), azure=draws.between(0.0, 0.08), chromatin=draws.around(0.17, 0.12)
        ),
        mottle=0.35,
        rim=draws.between(0.0, 0.2),
        nucleus=Nucleus(
            fitted(row, 0.88 * radius),
            density=draws.around(0.95, 0.2),
            contrast=draws.around(0.16, 0.06),
            clump=draws.around(0.6, 0.12),
            wave=0.4,
        ),
        granules=(coarse,),
    )


def immature_granulocyte(draws: Draws) -> Cell:
    """Promyelocyte, myelocyte or metamyelocyte: the older, the pinker the cytoplasm and the deeper the indentation."""
    age = draws.between(0.0, 1.0)
    radius = draws.around(7.9 - 1.0 * age, 0.9)
    nucleus_radius = radius * (0.78 - 0.14 * age) * draws.around(1.0, 0.06)
    outline = round_nucleus(
        draws, nucleus_radius, ovalness=draws.between(0.15, 0.45) + 0.3 * age, shift=0.85 * (radius - nucleus_radius)
    )
    outline = fitted(outline, 0.97 * radius)
    if age > _ALMOST_BAND:
        outline = _band(draws, radius, thickness=(0.46, 0.58))
    depth = 0.0 if age > _ALMOST_BAND else max(0.0, age - 0.55) * 2.2 * nucleus_radius * draws.between(0.3, 0.8)
    azurophil = Granules(
        spacing=draws.between(0.7, 0.95),
        radius=draws.between(0.28, 0.42),
        presence=0.85 - 0.3 * age,
        dye=Dye(eosin=0.22, chromatin=0.75 - 0.4 * age),
        cover=draws.between(0.5, 0.85),
        over_nucleus=0.45 * (1.0 - age),
    )
    return Cell(
        radius=radius,
        elongation=draws.around(1.05, 0.12),
        axis=draws.direction(),
        wave=draws.between(0.3, 0.8),
        cytoplasm=Dye(
            eosin=0.1 + 0.1 * age,
            azure=draws.around(0.24, 0.08) * (1.0 - age) + 0.05,
            chromatin=draws.around(0.14, 0.06),
        ),
        mottle=0.35,
        rim=draws.between(0.1, 0.5) * (1.0 - age),
        nucleus=Nucleus(
            outline,
            density=draws.around(0.86 + 0.16 * age, 0.12),
            contrast=draws.around(0.15 + 0.06 * age, 0.05),
            clump=draws.around(0.42, 0.08),
            wave=draws.between(0.2, 0.4),
            notches=(indentation(draws, outline, depth),) if depth > 0.2 else (),
            nucleoli=_nucleoli(draws, outline) if age < 0.35 else (),
        ),
        granules=(azurophil,),
    )


def _nucleoli(draws: Draws, outline: Chain) -> tuple[Lobe, ...]:
    home = outline.lobes[0]
    spots = []
    for _ in range(1 + draws.choose((0.4, 0.4, 0.2))):
        dx, dy = draws.direction()
        away = 0.6 * home.radius * draws.between(0.0, 1.0)
        spots.append(Lobe(home.x + away * dx, home.y + away * dy, draws.between(0.6, 1.0)))
    return tuple(spots)
