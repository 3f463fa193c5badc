"""Lymphocytes, monocytes, erythroblasts, and the platelet, which has no nucleus."""

from hematovision.data.synthetic.draws import Draws
from hematovision.data.synthetic.morphology import Cell, Dye, Granules, Nucleus
from hematovision.data.synthetic.nuclei import bent_nucleus, fitted, indentation, round_nucleus
from hematovision.data.synthetic.shapes import Chain, Lobe


def lymphocyte(draws: Draws) -> Cell:
    """A dense round nucleus and a thin blue rim; one in five is large, with more and paler cytoplasm."""
    large = draws.chance(0.22)
    radius = draws.around(6.7, 0.9) if large else draws.around(4.8, 0.8)
    share = draws.between(0.68, 0.82) if large else draws.between(0.8, 0.93)
    outline = round_nucleus(
        draws, share * radius, ovalness=draws.between(0.0, 0.35), shift=0.8 * (1.0 - share) * radius
    )
    outline = fitted(outline, 0.98 * radius)
    azurophil = Granules(
        spacing=1.6,
        radius=0.38,
        presence=draws.between(0.0, 0.22) if large else 0.0,
        dye=Dye(eosin=0.1, chromatin=0.8),
        cover=0.8,
        over_nucleus=0.0,
    )
    return Cell(
        radius=radius,
        elongation=draws.around(1.04, 0.12),
        axis=draws.direction(),
        wave=draws.between(0.3, 0.9) if large else draws.between(0.15, 0.6),
        cytoplasm=Dye(
            eosin=0.03, azure=draws.around(0.22 if large else 0.36, 0.13), chromatin=draws.around(0.08, 0.06)
        ),
        mottle=0.3,
        rim=draws.between(0.1, 0.7),
        nucleus=Nucleus(
            outline,
            density=draws.around(1.0 if large else 1.2, 0.18),
            contrast=draws.around(0.2, 0.07),
            clump=draws.around(0.62, 0.14),
            wave=draws.between(0.12, 0.4),
            notches=(indentation(draws, outline, draws.between(0.3, 1.1)),) if draws.chance(0.25) else (),
        ),
        granules=(azurophil,),
    )


def monocyte(draws: Draws) -> Cell:
    """The largest cell: folded or kidney-shaped nucleus of lacy chromatin, grey-blue cytoplasm, often vacuoles."""
    radius = draws.around(7.6, 1.3)
    outline, notches = _monocyte_outline(draws, radius)
    dust = Granules(
        spacing=draws.between(0.55, 0.75),
        radius=0.26,
        presence=0.6,
        dye=Dye(eosin=0.14, azure=0.15, chromatin=0.28),
        cover=draws.between(0.3, 0.65),
        over_nucleus=0.0,
    )
    return Cell(
        radius=radius,
        elongation=draws.around(1.07, 0.18),
        axis=draws.direction(),
        wave=draws.between(0.5, 1.4),
        cytoplasm=Dye(
            eosin=draws.between(0.03, 0.1), azure=draws.around(0.23, 0.1), chromatin=draws.around(0.12, 0.06)
        ),
        mottle=0.4,
        rim=draws.between(0.0, 0.4),
        nucleus=Nucleus(
            outline,
            density=draws.around(0.9, 0.16),
            contrast=draws.around(0.18, 0.06),
            clump=draws.around(0.4, 0.1),
            wave=draws.between(0.35, 0.75),
            folds=draws.between(0.0, 0.3),
            notches=notches,
        ),
        granules=(dust,),
        vacuoles=_vacuoles(draws, radius),
    )


def _monocyte_outline(draws: Draws, radius: float) -> tuple[Chain, tuple[Lobe, ...]]:
    if draws.chance(0.55):
        bent = bent_nucleus(
            draws,
            bend_radius=radius * draws.between(0.34, 0.5),
            thickness=radius * draws.between(0.52, 0.78),
            sweep=draws.between(0.4, 1.3),
        )
        return fitted(bent, 0.93 * radius), ()
    oval = round_nucleus(
        draws,
        radius * draws.between(0.6, 0.72),
        ovalness=draws.between(0.1, 0.55),
        shift=radius * draws.between(0.05, 0.22),
    )
    oval = fitted(oval, 0.95 * radius)
    return oval, (indentation(draws, oval, draws.between(0.05, 1.9)),)


def _vacuoles(draws: Draws, radius: float) -> tuple[Lobe, ...]:
    holes = []
    for _ in range(draws.choose((0.35, 0.15, 0.12, 0.12, 0.1, 0.08, 0.08)) * 2):
        dx, dy = draws.direction()
        away = radius * draws.between(0.35, 0.92)
        holes.append(Lobe(away * dx, away * dy, draws.between(0.25, 0.7)))
    return tuple(holes)


def erythroblast(draws: Draws) -> Cell:
    """A small, round, very dense nucleus; cytoplasm from blue-grey (young) to the pink of a red cell (old)."""
    age = draws.between(0.0, 1.0)
    radius = draws.around(5.3 - 0.8 * age, 0.7)
    share = draws.around(0.77 - 0.16 * age, 0.09)
    outline = round_nucleus(
        draws,
        share * radius,
        ovalness=draws.between(0.0, 0.12),
        shift=draws.between(0.1, 0.85) * (1.0 - share) * radius,
    )
    return Cell(
        radius=radius,
        elongation=draws.around(1.03, 0.1),
        axis=draws.direction(),
        wave=draws.between(0.15, 0.6),
        cytoplasm=Dye(
            azure=0.34 * (1.0 - age) + draws.between(0.02, 0.12), chromatin=0.06, haemoglobin=0.25 + 0.75 * age
        ),
        mottle=0.2,
        rim=draws.between(0.0, 0.4) * (1.0 - age),
        nucleus=Nucleus(
            outline,
            density=draws.around(1.3 + 0.2 * age, 0.18),
            contrast=draws.around(0.34 - 0.14 * age, 0.08),
            clump=draws.around(0.55, 0.1),
            wave=0.1,
            blueness=draws.between(0.0, 0.15),
        ),
    )


def platelet(draws: Draws) -> Cell:
    """A fragment of cytoplasm with purple granules in the middle and a pale edge; one in eight is a giant."""
    radius = draws.between(2.2, 3.6) if draws.chance(0.14) else draws.between(1.15, 2.1)
    azurophil = Granules(
        spacing=draws.between(0.45, 0.6),
        radius=draws.between(0.26, 0.36),
        presence=draws.between(0.5, 0.95),
        dye=Dye(eosin=0.25, chromatin=draws.around(0.85, 0.3)),
        cover=draws.between(0.3, 0.75),
        over_nucleus=0.0,
    )
    return Cell(
        radius=radius,
        elongation=draws.around(1.12, 0.2),
        axis=draws.direction(),
        wave=draws.between(0.2, 0.7),
        cytoplasm=Dye(
            eosin=draws.between(0.05, 0.2), azure=draws.around(0.16, 0.08), chromatin=draws.around(0.5, 0.25)
        ),
        mottle=0.7,
        rim=-0.75,
        nucleus=None,
        granules=(azurophil,),
    )
