"""Scanner presets: the shipped file loads, and a wrong entry is named."""

from pathlib import Path

import numpy as np
import pytest

from hematovision.data.synthetic.dataset import PlannedCell, draw_planned
from hematovision.data.synthetic.scanner import load_scanners
from hematovision.data.synthetic.settings import SyntheticPlan
from hematovision.errors import UsageError

PRESETS = Path(__file__).parents[3] / "configs" / "scanners.yaml"


def test_the_shipped_presets_carry_the_name_of_their_key() -> None:
    scanners = load_scanners(PRESETS)
    assert [scanner.name for scanner in scanners.values()] == list(scanners) == ["A", "B", "C", "D", "E"]


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("strength: 1.0", 'strength: "1.0"', "A.stains.strength"),
        ("strength: 1.0", "strength: true", "A.stains.strength"),
        ("strength: 1.0", "strength: -1.0", "A.stains.strength"),
        ("slide_variation: 1.0", "slide_variation: .nan", "A.slide_variation"),
        ("tone: 0.0", "gamma: 0.0", "A.sensor"),
        ("[0.14, 0.72, 0.58]", "[0.14, 0.72]", "A.stains.eosin"),
        ("  A:", "  Z:", "'A'"),
        ("scanners:", "presets:", "scanners"),
        ("  A:", "  A: [", "cannot be read"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(tmp_path: Path, before: str, after: str, named: str) -> None:
    text = PRESETS.read_text(encoding="utf-8")
    assert before in text
    changed = tmp_path / "scanners.yaml"
    changed.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(UsageError, match="scanners.yaml") as refusal:
        load_scanners(changed)
    assert named in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.yaml"):
        load_scanners(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("name", ["B", "C", "D", "E"])
def test_each_preset_makes_another_picture_of_the_same_cell(name: str) -> None:
    scanners = load_scanners(PRESETS)
    home, away = (
        draw_planned(
            SyntheticPlan(seed=1, image_size=64, slides=1, cells_per_class_per_slide=1, scanner=scanner),
            PlannedCell(0, "neutrophil", 0),
            scanners[scanner],
        ).astype(float)
        for scanner in ("A", name)
    )
    assert np.abs(home - away).mean() > 8
