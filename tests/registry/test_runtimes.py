"""The same network on another runtime gives the same answers; a runtime that is missing is said to be missing."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from hematovision.errors import UsageError
from hematovision.learning.settings import Runtime
from hematovision.registry.predictor import Predictor
from tests.serving.small_models import build_random_model


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_random_model(tmp_path_factory.mktemp("random") / "package", side=64, orientations=4)


def test_the_runtimes_agree(package: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (7, 64, 64, 3), dtype=np.uint8)
    ours, portable = (Predictor.load(package, runtime=name).answer_pixels(pixels) for name in get_args(Runtime))
    assert np.ptp(ours.probabilities, axis=0).max() > 0.01, "the pictures are told apart, or agreement says nothing"
    for name in ("logits", "probabilities", "embedding", "strangeness"):
        np.testing.assert_allclose(getattr(ours, name), getattr(portable, name), rtol=0, atol=1e-4, err_msg=name)
    np.testing.assert_array_equal(ours.sets, portable.sets)


@pytest.mark.parametrize(("missing", "other"), [("openvino", "onnxruntime"), ("onnxruntime", "openvino")])
def test_a_missing_runtime_is_an_error_and_not_replaced(
    package: Path, missing: Runtime, other: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=f"pip install {missing}"):
        Predictor.load(package, runtime=missing)
    Predictor.load(package, runtime=other)


@pytest.mark.parametrize("runtime", get_args(Runtime))
def test_pictures_may_lie_anyhow(package: Path, runtime: Runtime) -> None:
    """Read-only as Pillow gives them, or mirrored without a copy."""
    predictor = Predictor.load(package, runtime=runtime)
    pixels = np.random.default_rng(4).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    expected = predictor.answer_pixels(pixels).logits
    mirrored = np.ascontiguousarray(pixels[:, :, ::-1])[:, :, ::-1]
    pixels.setflags(write=False)
    for given in (pixels, mirrored):
        np.testing.assert_array_equal(predictor.answer_pixels(given).logits, expected)


@pytest.mark.parametrize("runtime", get_args(Runtime))
def test_threads_may_ask_at_once(package: Path, runtime: Runtime) -> None:
    """MLflow's server asks from as many threads as it has requests."""
    predictor = Predictor.load(package, runtime=runtime)
    pixels = np.random.default_rng(3).integers(0, 256, (8, 64, 64, 3), dtype=np.uint8)
    alone = [predictor.answer_pixels(one[None]).logits for one in pixels]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda number: predictor.answer_pixels(pixels[number % 8][None]).logits, range(80)))
    for number, found in enumerate(together):
        np.testing.assert_allclose(found, alone[number % 8], rtol=0, atol=1e-5)
