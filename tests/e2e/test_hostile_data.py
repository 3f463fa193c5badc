"""What a user may point the command at, by mistake or malice: a clear message, the right exit code, good files done."""

import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.e2e.conftest import Command

pytestmark = pytest.mark.slow


def picture(seed: int, side: int = 64) -> np.ndarray:
    """A picture with a body, unlike any other seed's."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(60, 250, (12, 12, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))


def class_folder(root: Path, classes: int, each: int = 14) -> Path:
    for number in range(classes):
        folder = root / f"class-{number}"
        folder.mkdir(parents=True)
        for index in range(each):
            Image.fromarray(picture(1000 * number + index)).save(folder / f"{index:02d}.png")
    return root


def bomb(path: Path, side: int = 20_000) -> None:
    """A PNG of side × side pixels in a few hundred kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    row = zlib.compress(bytes(1 + 3 * side) * 200, 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b""))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good cells beside every kind of bad and odd file."""
    root = class_folder(tmp_path_factory.mktemp("mixed") / "cells", 2)
    place = root / "class-0"
    Image.fromarray(picture(5)).save(place / "whole.jpg", quality=95)
    (place / "truncated.jpg").write_bytes((place / "whole.jpg").read_bytes()[:700])
    (place / "text.png").write_text("this is no picture")
    (place / "empty.png").write_bytes(b"")
    bomb(place / "bomb.png")
    Image.fromarray(picture(6)).convert("L").save(place / "grey.png")
    deep = (picture(7)[..., 0].astype(np.uint16) * 257).astype(np.uint16)
    Image.fromarray(deep).save(place / "sixteen-bit.png")
    Image.fromarray(np.dstack([picture(8), np.full((64, 64), 255, np.uint8)])).save(place / "rgba.png")
    return root


def test_good_files_go_on_and_bad_ones_are_named(mixed: Path, hematovision: Command) -> None:
    ended = hematovision("ingest", "--data", mixed)
    assert ended.code == 0, ended.errors
    reasons = {Path(item["path"]).name: item["reason"] for item in ended.document["quarantined"]}
    assert set(reasons) == {"truncated.jpg", "text.png", "empty.png", "bomb.png"}
    assert "20000" in reasons["bomb.png"].replace(",", "").replace(" ", "")
    assert len(set(reasons.values())) == 4, "each reason says what is wrong with that file"
    assert ended.document["accepted"] == 28 + 4
    assert ended.document["validation"]["success"] is True
    assert "Traceback" not in ended.errors


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, capture_output=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_memory_stays_low_beside_a_bomb(mixed: Path, small: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("hematovision")),
        "ingest",
        "--data",
        str(mixed),
        "--config",
        str(small),
        "--json",
    ]
    done = subprocess.run([sys.executable, "-c", PEAK, *command], check=True, capture_output=True, timeout=600)
    peak = int(done.stdout.split()[-1])
    assert peak < 2 * 1024**2, f"{peak / 1024**2:.2f} GiB"


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda root: class_folder(root, 1), 3, "class"),
        (lambda root: root.mkdir(), 2, "holds no images"),
        (lambda _: None, 2, "no such file or folder"),
        (lambda root: (root.mkdir(), (root / "a.png").write_text("text"), None), 2, "class"),
    ],
    ids=["one class", "empty folder", "no path", "no class folders"],
)
def test_unusable_data_are_refused_in_plain_words(
    make: Any, code: int, words: str, hematovision: Command, tmp_path: Path
) -> None:
    make(tmp_path / "cells")
    ended = hematovision("ingest", "--data", tmp_path / "cells")
    assert ended.code == code, ended.errors
    assert words in ended.errors
    assert "Traceback" not in ended.errors
    assert ended.document["schema"] == 1


def test_leaking_test_folder_is_refused_and_regrouped_on_request(hematovision: Command, tmp_path: Path) -> None:
    from hematovision.data.synthetic.dataset import draw_planned, planned_cells
    from hematovision.data.synthetic.scanner import load_scanners
    from hematovision.data.synthetic.settings import SyntheticPlan
    from hematovision.home import CONFIGS

    plan = SyntheticPlan(seed=3, image_size=128, slides=15, cells_per_class_per_slide=2, scanner="A")
    scanner = load_scanners(CONFIGS / "scanners.yaml")["A"]
    planted = 0
    for number, cell in enumerate(planned_cells(plan)):
        if cell.cell_class not in ("eosinophil", "monocyte"):
            continue
        pixels = draw_planned(plan, cell, scanner)
        folder = tmp_path / "cells" / ("test" if number % 5 == 0 else "train") / cell.cell_class
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        if folder.parent.name == "train" and planted < 3:
            target = tmp_path / "cells" / "test" / cell.cell_class / f"copy-{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            turned = [Image.fromarray(pixels).rotate(90), Image.fromarray(np.fliplr(pixels)), Image.fromarray(pixels)][
                planted
            ]
            turned.save(target, quality=80)
            planted += 1
    refused = hematovision("ingest", "--data", tmp_path / "cells")
    assert refused.code == 3, refused.errors
    assert refused.document["leakage"]["pairs"] == planted
    assert all("copy-" in first + second for first, second in refused.document["leakage"]["examples"])
    regrouped = hematovision("ingest", "--data", tmp_path / "cells", "--on-leakage", "regroup")
    assert regrouped.code == 0, regrouped.errors
    assert regrouped.document["leakage"]["pairs"] == planted


def test_prediction_answers_what_it_can(trained: dict[str, Any], mixed: Path, hematovision: Command) -> None:
    ended = hematovision("predict", "--model", trained["model"]["uri"], mixed / "class-0")
    assert ended.code == 0, ended.errors
    assert {Path(item["path"]).name for item in ended.document["errors"]} == {
        "truncated.jpg",
        "text.png",
        "empty.png",
        "bomb.png",
    }
    assert len(ended.document["predictions"]) == 18
    for prediction in ended.document["predictions"]:
        assert sum(prediction["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "--model", "models:/nobody/1", "."),
        ("predict", "--model", "models:/nobody@challenger", "."),
        ("predict", "--model", "/not/there", "."),
        ("run", "--data", "/not/there"),
        ("data", "show", "/not/there"),
        ("data", "generate", "never-made", "--scanner", "Z"),
    ],
    ids=lambda arguments: " ".join(arguments[:3]),
)
def test_wrong_usage_exits_with_2_and_no_traceback(arguments: tuple[str, ...], hematovision: Command) -> None:
    ended = hematovision(*arguments)
    assert ended.code == 2, ended.errors
    assert "Traceback" not in ended.errors
    assert ended.document["error"]["message"]


def test_a_wrong_setting_is_named(hematovision: Command, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("learning: {training: {dropout: 7, dropuot: 0.1}}")
    ended = hematovision("ingest", config=tmp_path / "wrong.yaml")
    assert ended.code == 2
    assert "learning.training.dropout" in ended.errors
    assert "learning.training.dropuot" in ended.errors
