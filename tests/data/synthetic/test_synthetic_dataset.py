"""Writing a synthetic set: complete, resumable, and never over a file that differs."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from hematovision.data.synthetic.dataset import draw_planned, planned_cells, write_dataset
from hematovision.data.synthetic.picture import CELL_CLASSES
from hematovision.data.synthetic.scanner import load_scanners
from hematovision.data.synthetic.settings import SyntheticPlan
from hematovision.errors import UsageError

PRESETS = load_scanners(Path(__file__).parents[3] / "configs" / "scanners.yaml")
HOME = PRESETS["A"]
PLAN = SyntheticPlan(seed=5, image_size=64, slides=2, cells_per_class_per_slide=1, scanner="A")


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    assert write_dataset(PLAN, tmp_path / "set", scanner=HOME) == 16
    return tmp_path / "set"


def test_the_folder_holds_the_pictures_the_manifest_and_the_notice(written: Path) -> None:
    with (written / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["path", "label", "group", "split"]
    assert rows[0] == {
        "path": "images/slide-00/basophil-000.bmp", "label": "basophil", "group": "slide-00", "split": "",
    }  # fmt: skip
    assert {row["label"] for row in rows} == set(CELL_CLASSES)
    assert {row["path"] for row in rows} | {"manifest.csv", "README.txt"} == set(contents(written))
    notice = (written / "README.txt").read_text(encoding="utf-8")
    assert "SYNTHETIC" in notice and "NOT for diagnostic use" in notice


def test_stored_pixels_are_the_drawn_ones(written: Path) -> None:
    cell = planned_cells(PLAN)[11]
    with Image.open(written / cell.path) as stored:
        assert stored.format == "BMP"
        assert np.array_equal(np.asarray(stored.convert("RGB")), draw_planned(PLAN, cell, HOME))


def test_progress_counts_up_to_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_dataset(PLAN, tmp_path, scanner=HOME, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 16) for done in range(1, 17)]


def test_a_finished_set_is_left_alone_even_where_a_pixel_was_changed(written: Path) -> None:
    picture = written / "images/slide-01/monocyte-000.bmp"
    data = bytearray(picture.read_bytes())
    data[-1] ^= 1
    picture.write_bytes(data)
    before = contents(written)
    assert write_dataset(PLAN, written, scanner=HOME) == 16
    assert contents(written) == before


def test_a_set_cut_short_is_completed_to_the_same_bytes(written: Path) -> None:
    whole = contents(written)
    for name in ("manifest.csv", "images/slide-01/platelet-000.bmp", "images/slide-00/monocyte-000.bmp"):
        (written / name).unlink()
    (written / "images/slide-00/monocyte-000.bmp.partial").write_bytes(b"BM")
    write_dataset(PLAN, written, scanner=HOME)
    assert contents(written) == whole


def test_an_altered_picture_in_an_unfinished_set_is_named_and_kept(written: Path) -> None:
    (written / "manifest.csv").unlink()
    altered = written / "images/slide-00/lymphocyte-000.bmp"
    altered.write_bytes(b"mine")
    with pytest.raises(UsageError, match="lymphocyte-000"):
        write_dataset(PLAN, written, scanner=HOME)
    assert altered.read_bytes() == b"mine"
    assert not (written / "manifest.csv").exists()


@pytest.mark.parametrize("change", [{"seed": 6}, {"slides": 3}, {"image_size": 96}, {"cells_per_class_per_slide": 2}])
def test_the_set_of_another_plan_is_refused(written: Path, change: dict[str, int]) -> None:
    before = contents(written)
    with pytest.raises(UsageError, match=r"README\.txt"):
        write_dataset(PLAN.model_copy(update=change), written, scanner=HOME)
    assert contents(written) == before


def test_the_set_of_another_scanner_setting_is_refused(written: Path) -> None:
    with pytest.raises(UsageError, match=r"README\.txt"):
        write_dataset(PLAN, written, scanner=HOME.model_copy(update={"slide_variation": 0.5}))
    write_dataset(PLAN, written, scanner=HOME.model_copy(update={"description": "reworded"}))


def test_the_scanner_must_be_the_one_the_plan_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'A'.*'B'"):
        write_dataset(PLAN, tmp_path, scanner=PRESETS["B"])
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("wrong", [{"slides": 0}, {"image_size": 16}, {"seed": -1}, {"colour": "red"}])
def test_a_plan_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SyntheticPlan.model_validate(PLAN.model_dump() | wrong)
