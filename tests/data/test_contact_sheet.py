"""Contact sheets: where each picture and caption lands."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hematovision.data.contact_sheet import contact_sheet
from hematovision.errors import UsageError


def plain(colour: tuple[int, int, int], height: int = 40, width: int = 40) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_pictures_run_in_rows_and_keep_their_colour(tmp_path: Path) -> None:
    Image.fromarray(plain((0, 0, 200))).save(tmp_path / "blue.bmp")
    sheet = contact_sheet(
        [plain((200, 0, 0)), plain((0, 200, 0)), tmp_path / "blue.bmp"], ["", "", ""], columns=2, tile=40
    )
    assert sheet.size == (82, 82)
    assert [sheet.getpixel(at) for at in ((20, 20), (62, 20), (20, 62), (62, 62))] == [
        (200, 0, 0), (0, 200, 0), (0, 0, 200), (255, 255, 255),
    ]  # fmt: skip


def test_a_long_picture_is_fitted_without_distortion() -> None:
    sheet = contact_sheet([plain((0, 0, 0), height=20, width=80)], [""], columns=5, tile=40)
    dark = np.asarray(sheet).mean(axis=-1) < 128
    assert sheet.size == (40, 40)
    assert (dark.any(axis=1).sum(), dark.any(axis=0).sum()) == (10, 40)


def test_captions_are_written_below_their_picture_and_stay_in_its_column() -> None:
    sheet = contact_sheet([plain((255, 255, 255), 100, 100)] * 2, ["immature_granulocyte" * 3, ""], columns=2, tile=100)
    ink = np.asarray(sheet).min(axis=-1) < 128
    assert ink[100:, :100].any()
    assert not ink[:100].any()
    assert not ink[:, 100:].any()


@pytest.mark.parametrize(
    ("pictures", "labels", "columns", "tile"), [(0, 0, 1, 32), (2, 1, 1, 32), (1, 1, 0, 32), (1, 1, 1, 8)]
)
def test_a_sheet_that_cannot_be_made_is_refused(pictures: int, labels: int, columns: int, tile: int) -> None:
    with pytest.raises(UsageError, match="contact sheet"):
        contact_sheet([plain((0, 0, 0))] * pictures, ["x"] * labels, columns=columns, tile=tile)
