"""A model is files that cannot run code, verified before they are used, answering as the network that was trained."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hematovision.config import load_config
from hematovision.data.decoding import encode_png
from hematovision.errors import HematoVisionError, UsageError
from hematovision.evaluation.prediction_sets import SetRule
from hematovision.learning.backbones import load_backbone
from hematovision.learning.features import embed
from hematovision.learning.networks import CellNetwork
from hematovision.learning.preprocessing import normalise
from hematovision.monitoring.strangeness import Familiar, FamiliarLimit, fit_familiar
from hematovision.registry.package import DIGESTS, ModelSpecification, file_digest, verify_package, write_package
from hematovision.registry.predictor import Predictor

CLASSES = ["eosinophil", "lymphocyte", "monocyte"]


@pytest.fixture(scope="module")
def network() -> CellNetwork:
    backbone = load_backbone(
        load_config(None, {"learning": {"backbone": {"weights": "none"}}}).learning.backbone, seed=4
    )
    made = CellNetwork(backbone, len(CLASSES), 4, 0.2, torch.Generator().manual_seed(4))
    torch.nn.init.normal_(made.head.weight, std=0.02, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        pooled = made.upper(made.lower(torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(6)))).numpy()
    made.standardise_on(pooled[:, None])
    return made.eval()


@pytest.fixture(scope="module")
def familiar(network: CellNetwork) -> Familiar:
    with torch.inference_mode():
        width = embed(network.lower(torch.zeros(1, 3, 64, 64)).numpy()).shape[1]
    embeddings = np.random.default_rng(6).normal(size=(60, width)).astype(np.float32)
    return fit_familiar(embeddings, CLASSES * 20)


@pytest.fixture(scope="module")
def package(network: CellNetwork, familiar: Familiar, tmp_path_factory: pytest.TempPathFactory) -> Path:
    specification = ModelSpecification(
        classes=CLASSES,
        image_size=64,
        orientations=4,
        mean=(0.5, 0.4, 0.3),
        deviation=(0.2, 0.2, 0.2),
        temperature=1.7,
        sets=SetRule(confidence=0.9, limits=[0.8, 0.3, None], cells=[40, 40, 3]),
        familiar=FamiliarLimit(distance=2.5, false_flag_rate=0.01, cells=300),
        max_pixels=10_000,
        min_side=8,
        backbone="mobilenet_v2",
        frozen_blocks=4,
        weights="none",
        data_version="test",
        manifest_digest="m",
        golden_digest="g",
        seed=1,
        synthetic=True,
        software={},
    )
    return write_package(tmp_path_factory.mktemp("model") / "package", network, specification, familiar)


def pictures(count: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def test_the_compiled_model_answers_as_the_network_does(package: Path, network: CellNetwork) -> None:
    images = pictures(5)
    answers = Predictor.load(package).answer([lambda image=image: encode_png(image) for image in images], batch_size=2)
    inputs = torch.from_numpy(normalise(images, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2)))
    with torch.inference_mode():
        logits, taps = network(inputs).numpy(), network.lower(inputs).numpy()
    np.testing.assert_allclose(answers.logits, logits, rtol=1e-2, atol=1e-2 * np.abs(logits).max())
    np.testing.assert_allclose(answers.embedding, embed(taps), rtol=1e-3, atol=1e-3)
    scaled = np.exp(answers.logits / 1.7)
    np.testing.assert_allclose(answers.probabilities, scaled / scaled.sum(1, keepdims=True), rtol=1e-5)


def test_the_answer_does_not_depend_on_how_a_cell_lies(package: Path) -> None:
    image = pictures(1)[0]
    turned = [np.ascontiguousarray(np.rot90(image, turn)) for turn in range(4)]
    answers = Predictor.load(package).answer([lambda each=each: encode_png(each) for each in turned])
    np.testing.assert_allclose(answers.logits, np.repeat(answers.logits[:1], 4, axis=0), rtol=1e-2, atol=1e-2)
    assert np.ptp(answers.logits[0]) > 0.01


def test_unreadable_pictures_keep_their_place_and_reason(package: Path) -> None:
    good = encode_png(pictures(1)[0])
    large = encode_png(np.zeros((200, 200, 3), np.uint8))
    answers = Predictor.load(package).answer([lambda: good, lambda: b"text", lambda: large, lambda: good], batch_size=3)
    assert answers.positions.tolist() == [0, 3]
    assert set(answers.errors) == {1, 2}
    np.testing.assert_array_equal(answers.logits[0], answers.logits[1])


def test_sets_and_strangeness_are_served_as_they_were_stored(package: Path, familiar: Familiar) -> None:
    answers = Predictor.load(package).answer([lambda image=image: encode_png(image) for image in pictures(5)])
    highest = answers.probabilities == answers.probabilities.max(axis=1, keepdims=True)
    below = 1 - answers.probabilities <= np.array([0.8, 0.3, 1.0])
    np.testing.assert_array_equal(answers.sets, below | highest)
    np.testing.assert_array_equal(answers.uncompleted, below)
    np.testing.assert_allclose(answers.strangeness, familiar.distances(answers.embedding) / 2.5)
    np.testing.assert_array_equal(answers.unlike_training, answers.strangeness > 1)
    nothing = Predictor.load(package).answer([lambda: b"text"])
    assert nothing.sets.shape == (0, 3) and nothing.strangeness.shape == (0,)


@pytest.mark.parametrize(("number", "advice"), [(1, "train and register"), (3, "update HematoVision")])
def test_a_model_of_another_format_is_refused_with_advice(
    number: int, advice: str, package: Path, tmp_path: Path
) -> None:
    import json
    import shutil

    copy = shutil.copytree(package, tmp_path / "package")
    written = json.loads((copy / "spec.json").read_text()) | {"format": number}
    (copy / "spec.json").write_text(json.dumps(written))
    digests = json.loads((copy / DIGESTS).read_text()) | {"spec.json": file_digest(copy / "spec.json")}
    (copy / DIGESTS).write_text(json.dumps(digests))
    with pytest.raises(HematoVisionError, match=f"format {number}.*{advice}"):
        verify_package(copy)


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "familiar.safetensors", "spec.json"])
@pytest.mark.parametrize("harm", ["change", "remove"])
def test_a_harmed_file_is_named_and_nothing_is_loaded(name: str, harm: str, package: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(package, tmp_path / "package")
    if harm == "remove":
        (copy / name).unlink()
    else:
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 3] ^= 4
        (copy / name).write_bytes(bytes(content))
    with pytest.raises(HematoVisionError, match=name):
        Predictor.load(copy)


def test_a_folder_without_a_model_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=DIGESTS):
        verify_package(tmp_path)
