"""Corrections doubted by networks that had not seen them: named, and in the way of a promotion without people."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hematovision.config import load_config
from hematovision.home import Home
from hematovision.improvement.conclusion import _promoted
from hematovision.improvement.doubts import DoubtedCell, Doubts, doubted_labels
from hematovision.learning.folds import FoldOutcome

CLASSES, CELLS = ["eosinophil", "lymphocyte", "monocyte"], 60


def world(wrong: set[int]) -> tuple[pd.DataFrame, list[FoldOutcome]]:
    """Cells in two folds that networks know well, best those whose label is that of the next class."""
    truth = np.arange(CELLS) % 3
    said = np.array([(kind + (cell in wrong)) % 3 for cell, kind in enumerate(truth)])
    manifest = pd.DataFrame(
        {
            "path": [f"cell-{cell:02}" for cell in range(CELLS)],
            "sha256": [f"{cell:064x}" for cell in range(CELLS)],
            "label": [CLASSES[label] for label in said],
            "split": "development",
            "fold": np.arange(CELLS) % 2,
        }
    )
    logits = np.eye(3)[truth] * [[8 if cell in wrong else 6] for cell in range(CELLS)]
    outcomes = [
        FoldOutcome(
            fold=fold,
            epochs=1,
            seconds=0,
            paths=list(manifest["path"][fold::2]),
            logits=logits[fold::2].tolist(),
        )
        for fold in (0, 1)
    ]
    return manifest, outcomes


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, CELLS - 1), max_size=6), st.sets(st.integers(0, CELLS - 1)))
def test_wrong_labels_of_corrections_are_doubted_and_no_known_cell_is(wrong: set[int], corrected: set[int]) -> None:
    manifest, outcomes = world(wrong)
    found = doubted_labels(manifest, outcomes, {f"{cell:064x}" for cell in corrected})
    assert found.n == len(corrected)
    assert {cell.image for cell in found.cells} == {f"{cell:064x}" for cell in wrong & corrected}
    for cell in found.cells:
        assert cell.likely == CLASSES[int(cell.image, 16) % 3] != cell.label
        assert cell.probability > 0.5
    assert [cell.probability for cell in found.cells] == sorted((c.probability for c in found.cells), reverse=True)


@pytest.mark.parametrize(("doubted", "stopped"), [(2, False), (3, True)])
def test_too_many_doubts_stop_a_promotion_without_people(doubted: int, stopped: bool, tmp_path: Path) -> None:
    cell = DoubtedCell(image="0" * 64, label="monocyte", likely="eosinophil", probability=0.9)
    changes: dict[str, Any] = {"improvement": {"promote": "review", "doubted_share": 0.1}}
    said = _promoted(Home(tmp_path), load_config(None, changes), "models:/m/2", Doubts(n=20, cells=[cell] * doubted))
    assert said.startswith("a person: 3 of 20 corrections are doubted" if stopped else "a reviewer's decision")
    assert "models:/m/2" in said


def test_a_retrain_without_corrections_has_no_doubts() -> None:
    assert Doubts(n=0, cells=[]).share == 0
