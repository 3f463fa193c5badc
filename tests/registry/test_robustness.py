"""Robustness: what a known weakness costs is what is reported."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hematovision.config import load_config
from hematovision.data.decoding import encode_png
from hematovision.data.store import ImageStore
from hematovision.errors import GateRefused
from hematovision.evaluation.failure_plots import robustness_table
from hematovision.registry import robustness
from hematovision.registry.robustness import measure_golden_robustness, measure_robustness
from tests.registry.test_explanation import SPECIFICATION

CONFIG = load_config(None, {"robustness": {"severities": [1, 5], "cells": 10}, "evaluation": {"resamples": 200}})
SPEC = SPECIFICATION.model_copy(update={"classes": ["dark", "light"], "image_size": 32})


def by_brightness(path: Path, *, precision: str) -> Any:
    """A network that calls light what is lighter than half of white."""

    def answer(inputs: np.ndarray) -> list[np.ndarray]:
        level = (inputs.mean(axis=(1, 2, 3)) * 0.2 + 0.4)[:, None]
        return [np.hstack([0.5 - level, level - 0.5])]

    return answer


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    monkeypatch.setattr(robustness, "verify_package", lambda _: SPEC)
    monkeypatch.setattr(robustness, "compile_onnx", by_brightness)
    store, rng = ImageStore(tmp_path), np.random.default_rng(1)
    rows = []
    for number in range(16):
        light = number % 2
        image = np.clip(rng.normal(160 if light else 60, 10, (40, 40, 3)), 0, 255).astype(np.uint8)
        rows.append(
            {
                "path": f"{number:02}.png",
                "label": "light" if light else "dark",
                "sha256": store.put(encode_png(image)),
                "split": "golden",
                "group": f"slide {number // 2}",
            }
        )
    return pd.DataFrame(rows)


def test_a_known_weakness_is_measured(manifest: pd.DataFrame, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = measure_robustness(
        tmp_path,
        manifest,
        ImageStore(tmp_path),
        CONFIG.robustness,
        CONFIG.evaluation,
        cells="new data",
        groups=None,
        seed=2,
        progress=lambda done, total: told.append((done, total)),
    )
    accuracy = {(score.corruption, score.severity): score.accuracy.value for score in found.scores}
    assert found.clean is not None and found.clean.value == 1
    assert accuracy["darker", 5] == 0.5, "all light cells look dark, all dark ones still do"
    assert accuracy["darker", 1] == 1
    assert accuracy["JPEG", 5] == 1
    assert len(accuracy) == 2 * len(CONFIG.robustness.corruptions)
    assert found.mean_drop is not None
    assert found.mean_drop.value == pytest.approx(1 - np.mean(list(accuracy.values())))
    assert found.mean_drop.low <= found.mean_drop.value <= found.mean_drop.high
    assert told[-1][0] == told[-1][1]
    assert "darker, lamp too dim" in robustness_table(found)


def test_a_run_is_tested_on_a_part_of_the_golden_set(manifest: pd.DataFrame, tmp_path: Path) -> None:
    manifest.loc[:3, "split"] = "development"

    def measure(cells: int) -> Any:
        settings = CONFIG.robustness.model_copy(update={"cells": cells})
        return measure_golden_robustness(manifest, tmp_path, ImageStore(tmp_path), settings, CONFIG.evaluation, seed=2)

    assert measure(10).n == 10
    assert measure(10) == measure(10)
    assert measure(1000).n == 12
    assert measure(0).n == 0
    assert measure(0).scores == []


def test_labels_of_another_world_are_refused(manifest: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(GateRefused, match="nothing to score"):
        measure_robustness(
            tmp_path,
            manifest.assign(label="blast"),
            ImageStore(tmp_path),
            CONFIG.robustness,
            CONFIG.evaluation,
            cells="new data",
            groups=None,
            seed=2,
        )
