import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hematovision.errors import HematoVisionError
from hematovision.evaluation.mistakes import most_confident_mistakes
from hematovision.evaluation.pictures import contact_sheet, picture

CLASSES = ["basophil", "monocyte"]


def rows(n: int) -> pd.DataFrame:
    return pd.DataFrame({"path": [f"cell{i}.png" for i in range(n)], "sha256": [f"{i:064x}" for i in range(n)]})


def test_the_surest_mistakes_come_first_and_right_answers_never():
    truth = np.array([0, 0, 1, 1, 0])
    probabilities = np.array([[0.99, 0.01], [0.3, 0.7], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]])
    found = most_confident_mistakes(rows(5), truth, probabilities, CLASSES, limit=10)
    assert [(m.path, m.truth, m.predicted) for m in found] == [
        ("cell2.png", "monocyte", "basophil"),
        ("cell4.png", "basophil", "monocyte"),
        ("cell1.png", "basophil", "monocyte"),
    ]
    assert found[0].probability == pytest.approx(0.9)
    assert found[0].probability_of_truth == pytest.approx(0.1)
    assert found[0].sha256 == f"{2:064x}"
    assert most_confident_mistakes(rows(5), truth, probabilities, CLASSES, limit=1) == found[:1]


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(HematoVisionError, match="3 rows"):
        most_confident_mistakes(rows(3), np.array([0]), np.array([[1.0, 0.0]]), CLASSES, limit=1)


def test_a_thumbnail_shows_the_picture_and_is_never_larger():
    image = np.zeros((60, 120, 3), dtype=np.uint8)
    image[:, 60:] = (200, 20, 20)
    small = picture(image, "a.png", side=40, quality=90)
    kind, data = small.src.split(",", 1)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert kind == "data:image/jpeg;base64"
    assert shown.shape == (20, 40, 3) == (small.height, small.width, 3)
    assert shown[10, 35, 0] > 150 > shown[10, 5, 0]
    assert picture(image, "a.png", side=500, quality=90).width == 120


def test_a_contact_sheet_draws_from_many_groups_and_every_class_reproducibly():
    cells = pd.DataFrame(
        {
            "path": [f"{i:03}.png" for i in range(60)],
            "sha256": [f"{i}" for i in range(60)],
            "label": ["monocyte"] * 59 + ["basophil"],
            "group": ["big slide"] * 50 + [f"slide {i}" for i in range(10)],
        }
    )

    def load(sha256: str) -> np.ndarray:
        return np.full((8, 8, 3), int(sha256), dtype=np.uint8)

    sheet = contact_sheet(cells, load, per_class=6, side=8, quality=80, seed=1)
    group_of = dict(zip(cells["path"], cells["group"], strict=True))
    assert {name: len(shown) for name, shown in sheet.items()} == {"basophil": 1, "monocyte": 6}
    assert len({group_of[cell.path] for cell in sheet["monocyte"]}) == 6
    assert contact_sheet(cells.iloc[::-1], load, per_class=6, side=8, quality=80, seed=1) == sheet
