"""What makes a class that class, measured on recipes and pictures; and what must not give it away."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hematovision.data.synthetic.dataset import draw_planned, planned_cells, planned_look
from hematovision.data.synthetic.draws import Draws
from hematovision.data.synthetic.morphology import Cell
from hematovision.data.synthetic.picture import CELL_CLASSES, RECIPES, draw_cell
from hematovision.data.synthetic.scanner import load_scanners
from hematovision.data.synthetic.settings import SyntheticPlan
from hematovision.errors import UsageError

HOME = load_scanners(Path(__file__).parents[3] / "configs" / "scanners.yaml")["A"]
PLAN = SyntheticPlan(seed=11, image_size=64, slides=6, cells_per_class_per_slide=6, scanner="A")


def stream(*key: int) -> Draws:
    return Draws(np.random.Generator(np.random.PCG64(key)))


def cells(cell_class: str, count: int = 200) -> list[Cell]:
    return [RECIPES[cell_class](stream(index)) for index in range(count)]


def diameter(cell_class: str) -> float:
    return 2 * float(np.median([cell.radius for cell in cells(cell_class)]))


def test_the_classes_are_the_eight_of_the_field() -> None:
    assert CELL_CLASSES == (
        "basophil", "eosinophil", "erythroblast", "immature_granulocyte",
        "lymphocyte", "monocyte", "neutrophil", "platelet",
    )  # fmt: skip


def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(UsageError, match="blast"):
        draw_cell(
            "blast", np.random.Generator(np.random.PCG64(1)), scanner=HOME, look=planned_look(PLAN, 0, HOME), size=64
        )


@given(cell_class=st.sampled_from(CELL_CLASSES), seed=st.integers(0, 2**32))
def test_every_cell_is_possible(cell_class: str, seed: int) -> None:
    cell = RECIPES[cell_class](stream(seed))
    assert 1.0 < cell.radius < 10.0
    assert math.hypot(*cell.axis) == pytest.approx(1.0)
    assert min(cell.cytoplasm.planes()) >= 0.0
    assert all(0.0 < granules.radius < granules.spacing for granules in cell.granules)
    if cell.nucleus is not None:
        lobes = cell.nucleus.outline.lobes
        assert max(math.hypot(lobe.x, lobe.y) + lobe.radius for lobe in lobes) < 1.01 * cell.radius
        assert 0.5 < cell.nucleus.density < 2.0


def test_sizes_are_in_the_order_of_the_textbook() -> None:
    sizes = {cell_class: diameter(cell_class) for cell_class in CELL_CLASSES}
    assert sizes["platelet"] < sizes["erythroblast"] < sizes["neutrophil"] < sizes["monocyte"]
    assert sizes["lymphocyte"] < sizes["neutrophil"] < sizes["immature_granulocyte"]
    assert 2 < sizes["platelet"] < 4 and 14 < sizes["monocyte"] < 18


def test_only_the_platelet_has_no_nucleus() -> None:
    assert {c for c in CELL_CLASSES if all(cell.nucleus is None for cell in cells(c, 20))} == {"platelet"}


def test_basophil_granules_lie_over_the_nucleus_and_eosinophil_granules_are_red() -> None:
    for basophil, eosinophil, neutrophil in zip(*map(cells, ("basophil", "eosinophil", "neutrophil")), strict=True):
        assert basophil.granules[0].over_nucleus > 0.5 > eosinophil.granules[0].over_nucleus
        assert basophil.granules[0].dye.chromatin > 1.0 > eosinophil.granules[0].dye.chromatin
        assert eosinophil.granules[0].dye.eosin > neutrophil.granules[0].dye.eosin
        assert eosinophil.granules[0].radius > neutrophil.granules[0].radius


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, list[str], list[int]]:
    planned = planned_cells(PLAN)
    pixels = np.stack([draw_planned(PLAN, cell, HOME) for cell in planned]).astype(float) / 255
    return pixels, [cell.cell_class for cell in planned], [cell.slide for cell in planned]


def grouped_accuracy(features: np.ndarray, labels: list[str], slides: list[int]) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    predicted = cross_val_predict(model, features, labels, groups=slides, cv=GroupKFold(3))
    return float((predicted == np.asarray(labels)).mean())


def test_no_average_of_the_picture_tells_the_class(drawn: tuple[np.ndarray, list[str], list[int]]) -> None:
    pixels, labels, slides = drawn
    assert grouped_accuracy(pixels.mean(axis=(1, 2)), labels, slides) < 0.55
    assert grouped_accuracy(pixels.std(axis=(1, 2)), labels, slides) < 0.65


def test_pictures_of_a_slide_look_more_alike_than_pictures_of_two(
    drawn: tuple[np.ndarray, list[str], list[int]],
) -> None:
    pixels, _, slides = drawn
    glass = np.quantile(pixels[..., 2], 0.9, axis=(1, 2))
    by_slide = [glass[np.asarray(slides) == slide] for slide in sorted(set(slides))]
    between = np.var([values.mean() for values in by_slide])
    shuffled = [glass[start::6] for start in range(6)]
    assert between > 3 * np.var([values.mean() for values in shuffled])


def test_a_slide_has_one_look_and_slides_differ_by_the_variation_asked_for() -> None:
    assert planned_look(PLAN, 3, HOME) == planned_look(PLAN, 3, HOME) != planned_look(PLAN, 4, HOME)
    uptake = {
        variation: np.array(
            [
                planned_look(PLAN, s, HOME.model_copy(update={"slide_variation": variation})).dye_uptake
                for s in range(40)
            ]
        ).std(axis=0)
        for variation in (0.0, 1.0, 2.0)
    }
    assert (uptake[0.0] < 1e-12).all()
    assert (uptake[1.0] > 0.02).all()
    assert np.allclose(uptake[2.0][2:], 2 * uptake[1.0][2:])


def test_platelets_leave_most_of_the_picture_light(drawn: tuple[np.ndarray, list[str], list[int]]) -> None:
    pixels, labels, _ = drawn
    centre = pixels[:, 16:48, 16:48].mean(axis=-1) < 0.4
    dark = {c: float(centre[np.asarray(labels) == c].mean()) for c in CELL_CLASSES}
    assert dark["platelet"] < 0.5 * min(share for c, share in dark.items() if c != "platelet")
