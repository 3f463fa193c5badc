"""A registered network is rebuilt as it was trained, and says where it looks."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hematovision.config import load_config
from hematovision.data.decoding import encode_png
from hematovision.data.pictures import pictures_in
from hematovision.errors import HematoVisionError, UsageError
from hematovision.learning.backbones import load_backbone
from hematovision.learning.networks import CellNetwork
from hematovision.learning.preprocessing import normalise
from hematovision.registry import explanation
from hematovision.registry.explanation import Explainer, load_network, write_explanations
from hematovision.registry.package import WEIGHTS, ModelSpecification

SPECIFICATION = ModelSpecification.model_construct(
    classes=["eosinophil", "lymphocyte", "monocyte"],
    image_size=64,
    orientations=4,
    mean=(0.5, 0.4, 0.3),
    deviation=(0.2, 0.2, 0.2),
    temperature=1.7,
    max_pixels=10_000,
    min_side=8,
    backbone="mobilenet_v2",
    synthetic=True,
)


def network(frozen_blocks: int) -> CellNetwork:
    settings = load_config(None, {"learning": {"backbone": {"weights": "none", "frozen_blocks": frozen_blocks}}})
    made = CellNetwork(
        load_backbone(settings.learning.backbone, seed=4), 3, 4, 0.2, torch.Generator().manual_seed(frozen_blocks)
    )
    torch.nn.init.normal_(made.head.weight, generator=torch.Generator().manual_seed(5))
    return made.eval()


def packed(folder: Path, made: CellNetwork, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The part of a package that an explanation reads: a verified specification, and the weights."""
    specification = SPECIFICATION.model_copy(update={"frozen_blocks": len(made.lower)})
    monkeypatch.setattr(explanation, "verify_package", lambda _: specification)
    save_file({name: tensor.contiguous() for name, tensor in made.state_dict().items()}, folder / WEIGHTS)
    return folder


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (60, 70, 3), dtype=np.uint8)


@pytest.mark.parametrize("frozen_blocks", [3, 7])
def test_the_network_is_rebuilt_wherever_it_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frozen_blocks: int
) -> None:
    made = network(frozen_blocks)
    again = load_network(packed(tmp_path, made, monkeypatch))
    images = torch.from_numpy(normalise(picture(1)[None, :60, :60], (0.5,) * 3, (0.2,) * 3))
    with torch.inference_mode():
        torch.testing.assert_close(again(images), made(images), rtol=0, atol=0)
    assert len(again.lower) == frozen_blocks


def test_weights_of_another_network_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = network(7)
    made.add_module("extra", torch.nn.Linear(2, 2))
    with pytest.raises(HematoVisionError, match="fits no mobilenet_v2"):
        load_network(packed(tmp_path, made, monkeypatch))


def test_pictures_are_written_and_unreadable_ones_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = Explainer.load(packed(tmp_path, network(7), monkeypatch))
    cells = tmp_path / "cells"
    cells.mkdir()
    (cells / "a b.png").write_bytes(encode_png(picture(1)))
    (cells / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (cells / "c.png").write_bytes(encode_png(picture(2)))
    pictures = pictures_in([cells], voc_margin=0, max_pixels=10_000)
    written, errors = write_explanations(explainer, pictures, tmp_path / "out", label=None)
    assert [Path(item["path"]).name for item in errors] == ["broken.png"]
    assert [Path(item.path).name for item in written] == ["a b.png", "c.png"]
    assert all(item.label == item.predicted and 1 / 3 <= item.probability <= 1 for item in written)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [Path(item.file).name for item in written]
    assert cv2.imread(written[0].file).shape == (60, 70, 3)
    asked, _ = write_explanations(explainer, pictures[:1], tmp_path / "asked", label="monocyte")
    assert asked[0].label == "monocyte"
    assert asked[0].file.endswith("0001-a_b-monocyte.png")


def test_a_class_the_model_has_not_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = Explainer.load(packed(tmp_path, network(7), monkeypatch))
    with pytest.raises(UsageError, match="'blast' is no class of the model; it has eosinophil, lymphocyte, monocyte"):
        write_explanations(explainer, [], tmp_path / "out", label="blast")
    assert not (tmp_path / "out").exists()
