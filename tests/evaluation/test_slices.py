"""Slices: a planted bad part is found, chance is not taken for one, and every cell is counted."""

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hematovision.errors import HematoVisionError
from hematovision.evaluation.settings import SliceSettings
from hematovision.evaluation.slices import Slices, slice_errors


@pytest.fixture(scope="module", autouse=True)
def _quick_collections() -> Iterator[None]:
    """statsmodels collects garbage at every call; what is there already need not be looked through each time."""
    gc.freeze()
    yield
    gc.unfreeze()


ASKED = SliceSettings(minimum_cells=10, error_rate=0.05, shown=16)


def cells(n: int, rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "source_group": [f"slide {i % 12}" for i in range(n)],
            "brightness": rng.normal(180, 20, n),
            "contrast": rng.normal(40, 5, n),
            "sharpness": rng.gamma(4, 100, n),
            "width": 360,
            "height": 363,
            "attribute_granules": rng.choice(["fine", "coarse", ""], n),
        }
    )


def sliced(rows: pd.DataFrame, correct: np.ndarray, **changes: Any) -> Slices:
    return slice_errors(rows, correct, ASKED, **{"cells": "golden set", "groups": None, "confidence": 0.95, **changes})


def test_a_bad_slide_is_found_and_named_first() -> None:
    rng = np.random.default_rng(1)
    rows = cells(600, rng)
    bad = (rows["source_group"] == "slide 7").to_numpy()
    found = sliced(rows, np.where(bad, rng.random(600) < 0.5, rng.random(600) < 0.95))
    assert [(part.kind, part.value) for part in found.worse] == [("group", "slide 7")]
    assert found.slices[0] == found.worse[0]
    assert found.worse[0].accuracy.low <= 0.5 <= found.worse[0].accuracy.high


def test_bad_quality_is_found_in_its_quarter() -> None:
    rng = np.random.default_rng(2)
    rows = cells(800, rng)
    blurred = (rows["sharpness"] < rows["sharpness"].quantile(0.25)).to_numpy()
    found = sliced(rows, np.where(blurred, rng.random(800) < 0.7, rng.random(800) < 0.97))
    assert [part.kind for part in found.worse] == ["sharpness"]
    assert found.worse[0].value.startswith("lowest quarter")
    assert found.worse[0].n == 200


def test_chance_alone_calls_a_slice_worse_no_more_often_than_stated() -> None:
    rng = np.random.default_rng(3)
    runs = 60
    alarms = sum(bool(sliced(cells(240, rng), rng.random(240) < 0.85).worse) for _ in range(runs))
    assert alarms <= 8, "60 runs at 5 % give 3 on average, more than 8 in under 1 % of cases"


def test_correction_is_what_keeps_chance_out() -> None:
    rng = np.random.default_rng(4)
    found = [sliced(cells(240, rng), rng.random(240) < 0.85) for _ in range(20)]
    assert all(part.adjusted >= part.p_value for parts in found for part in parts.slices)
    uncorrected = sum(any(part.p_value < 0.05 for part in parts.slices) for parts in found)
    assert uncorrected > 4, "without the correction, a slice would be called worse in many of 20 runs"


def test_cells_of_few_slides_count_for_less() -> None:
    rng = np.random.default_rng(5)
    rows = cells(240, rng).drop(columns="source_group")
    slides = [f"slide {i // 20}" for i in range(240)]
    rows["attribute_stain"] = ["new" if i < 120 else "old" for i in range(240)]
    correct = np.array([i // 20 not in (0, 1) for i in range(240)])
    alone, grouped = sliced(rows, correct), sliced(rows, correct, groups=slides)
    assert "stain" in {part.kind for part in alone.worse}
    assert "stain" not in {part.kind for part in grouped.worse}, "two bad slides of twelve prove nothing of a stain"


def test_small_slices_and_silent_attributes_are_counted() -> None:
    rng = np.random.default_rng(6)
    rows = cells(100, rng)
    rows["attribute_granules"] = ["fine"] * 60 + ["rare"] * 3 + [""] * 37
    found = sliced(rows, rng.random(100) < 0.9)
    assert {part.value for part in found.slices if part.kind == "granules"} == {"fine"}
    assert found.too_small == {"granules": 1, "group": 12}
    assert found.unstated == {"granules": 37}


def test_what_all_cells_share_is_no_slice() -> None:
    found = sliced(cells(60, np.random.default_rng(7)), np.ones(60, dtype=bool))
    assert "size" not in {part.kind for part in found.slices}
    assert found.worse == []


def test_answers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(HematoVisionError, match="3 answers do not fit 20 rows"):
        sliced(cells(20, np.random.default_rng(8)), np.ones(3, dtype=bool))


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.sampled_from([1.0, 2.0, 3.0, 3.5, 9.0]), min_size=40, max_size=80))
def test_quarters_share_out_every_cell_once(values: list[float]) -> None:
    rows = pd.DataFrame({"brightness": values})
    asked = SliceSettings(minimum_cells=2, error_rate=0.05, shown=16)
    found = slice_errors(rows, np.arange(len(values)) % 3 > 0, asked, cells="x", groups=None, confidence=0.95)
    scored = sum(part.n for part in found.slices)
    single = found.too_small.get("brightness", 0)
    assert scored + single == len(values) or len(set(values)) == 1 or not found.slices
