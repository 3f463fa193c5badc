"""The pictures are the same bits everywhere: known digests, and no arithmetic whose result depends on the CPU."""

import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__  # type: ignore[attr-defined]

import hematovision.data.synthetic as synthetic
from hematovision.data.synthetic.arithmetic import blurred, exp_negative
from hematovision.data.synthetic.dataset import PlannedCell, draw_planned, planned_cells
from hematovision.data.synthetic.scanner import load_scanners
from hematovision.data.synthetic.settings import SyntheticPlan

PRESETS = load_scanners(Path(__file__).parents[3] / "configs" / "scanners.yaml")
NOT_PIXELS = {"__init__.py", "dataset.py", "scanner.py", "settings.py"}
PIXEL_MODULES = sorted(p for p in Path(synthetic.__file__).parent.glob("*.py") if p.name not in NOT_PIXELS)
EXACT_NUMPY = {
    "abs", "arange", "ascontiguousarray", "float64", "floor", "int64", "maximum", "minimum", "moveaxis", "random",
    "rint", "sqrt", "swapaxes", "uint8", "where", "zeros", "zeros_like",
}  # fmt: skip
INEXACT_METHODS = {"sum", "mean", "std", "var", "dot", "prod", "cumsum", "trace", "reduce", "accumulate", "normal"}
INEXACT_BUILTINS = {"sum", "pow", "round", "hash", "set"}
MODULES = {"math", "numpy"}
NAMES_FROM = {"numpy.typing", "collections.abc", "dataclasses", "types", "typing"}
INEXACT_OPERATORS = (ast.Pow, ast.MatMult)

DIGESTS = {
    ("A", "basophil"): "0806912d3b6a561b1d4d79752e489d830a20279614ffab2ac50e1781dc5542cc",
    ("A", "neutrophil"): "c890e6d6d82bf1d2eae9571d0adc77469137f7d9b3882278be751f54e8a8cfe5",
    ("B", "eosinophil"): "a5a2a8fcb4ec7178a9472625fa3b5ca72436fb2683f2f216cd468119c01e47a7",
    ("C", "monocyte"): "fcf40e8a39c3df12fdb6cd11da1575f71e7d2ccc0f16b0230c2bc12284ceecc6",
    ("D", "immature_granulocyte"): "c19c0f2c90fe599d49618479f247c609b91eb6a217eddef0b7ad725d6cb9ba72",
    ("E", "platelet"): "9412cbe15e135ceb51a6258428478977af4999abb8da8207b38864596ea127da",
}


def plan(scanner: str, *, size: int = 128) -> SyntheticPlan:
    return SyntheticPlan(seed=20, image_size=size, slides=3, cells_per_class_per_slide=5, scanner=scanner)


@pytest.mark.parametrize(("scanner", "cell_class"), DIGESTS)
def test_pictures_have_the_digests_of_record(scanner: str, cell_class: str) -> None:
    pixels = draw_planned(plan(scanner), PlannedCell(2, cell_class, 4), PRESETS[scanner])
    assert pixels.shape == (128, 128, 3)
    assert pixels.dtype == np.uint8
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == DIGESTS[scanner, cell_class]


def test_numpy_code_for_an_older_processor_draws_the_same_bits() -> None:
    dispatched = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
    if not dispatched:
        pytest.skip("numpy has one code path only on this processor")
    folders = [str(Path(synthetic.__file__).parents[3]), str(Path(__file__).parent)]
    script = f"import sys; sys.path[:0] = {folders!r}; import test_synthetic_pixels as t; t.compare()"
    older = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(dispatched)}
    subprocess.run([sys.executable, "-c", script], env=older, check=True, timeout=120)


def compare() -> None:
    """Run in the subprocess of the test above."""
    assert not any(__cpu_features__[name] for name in __cpu_dispatch__)
    for scanner, cell_class in DIGESTS:
        test_pictures_have_the_digests_of_record(scanner, cell_class)


def test_a_picture_does_not_depend_on_the_size_of_the_plan_or_on_others_drawn_before() -> None:
    cell = PlannedCell(1, "lymphocyte", 2)
    small = SyntheticPlan(seed=20, image_size=64, slides=2, cells_per_class_per_slide=3, scanner="A")
    large = small.model_copy(update={"slides": 9, "cells_per_class_per_slide": 40})
    alone = draw_planned(small, cell, PRESETS["A"])
    draw_planned(large, PlannedCell(0, "basophil", 0), PRESETS["A"])
    assert np.array_equal(alone, draw_planned(large, cell, PRESETS["A"]))


def test_every_picture_of_a_plan_is_different() -> None:
    cells = planned_cells(SyntheticPlan(seed=3, image_size=64, slides=2, cells_per_class_per_slide=2, scanner="A"))
    digests = {draw_planned(plan("A", size=64), cell, PRESETS["A"]).tobytes() for cell in cells}
    assert len(digests) == len(cells) == 32


def inexact(source: str) -> list[str]:
    """What in the source may round differently on another CPU."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            on_numpy = isinstance(node.value, ast.Name) and node.value.id == "np"
            on_math = isinstance(node.value, ast.Name) and node.value.id == "math"
            if (on_numpy and node.attr not in EXACT_NUMPY) or (on_math and node.attr not in {"sqrt", "floor"}):
                found.append(f"{node.value.id}.{node.attr}")  # type: ignore[attr-defined]
            elif node.attr in INEXACT_METHODS:
                found.append(node.attr)
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, INEXACT_OPERATORS):
            found.append(type(node.op).__name__)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in INEXACT_BUILTINS:
            found.append(node.func.id)
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name not in MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module not in NAMES_FROM:
            found += [] if str(node.module).startswith("hematovision.") else [str(node.module)]
    return found


@pytest.mark.parametrize("module", PIXEL_MODULES, ids=lambda path: path.stem)
def test_pixel_modules_use_exact_arithmetic_only(module: Path) -> None:
    assert inexact(module.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "np.exp(x)", "np.sum(x)", "x.mean()", "np.add.reduce(x)", "x ** 2", "x @ y", "x **= 2", "math.sin(x)", "sum(x)",
        "import scipy.ndimage", "from cv2 import blur", "from math import exp", "np.linspace(0, 1)", "rng.normal()",
    ],
)  # fmt: skip
def test_the_check_finds_inexact_arithmetic(source: str) -> None:
    assert inexact(source)


def test_the_check_reads_every_pixel_module() -> None:
    assert {"arithmetic", "draws", "exposure", "painting", "picture", "shapes", "smear"} <= {
        p.stem for p in PIXEL_MODULES
    }


def test_exponential_is_close_to_the_true_one() -> None:
    x = np.linspace(0.0, 4.0, 101)
    assert np.allclose(exp_negative(x), np.exp(-x), rtol=0.01)


@pytest.mark.parametrize("variance", [0.0, 0.3, 0.5, 1.7])
def test_blur_keeps_the_total_and_has_the_variance_asked_for(variance: float) -> None:
    point = np.zeros((31, 31))
    point[15, 15] = 1.0
    spread = blurred(point, variance)
    offsets = np.arange(31) - 15
    assert spread.sum() == pytest.approx(1.0)
    assert (spread.sum(axis=0) * offsets**2).sum() == pytest.approx(variance)
