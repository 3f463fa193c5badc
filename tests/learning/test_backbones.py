"""Backbones by name: the library's own features however they are cut, their own sides, weights never guessed."""

import json
import os
import subprocess
import sys
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from hematovision.config import load_config
from hematovision.errors import HematoVisionError, UsageError
from hematovision.learning import weights
from hematovision.learning.backbones import Backbone, load_backbone
from hematovision.learning.backbones.catalogue import LISTED, describe, find_architecture, multiplications
from hematovision.learning.backbones.random_start import DrawsFrom, random_blocks
from hematovision.learning.features import FeaturePlan
from hematovision.learning.settings import BackboneSettings

PASSED_ON = "timm:test_vit"
MOBILENET_V2_SEED_3 = [-0.0063870, 0.0299901, -0.0651681]
WITHOUT_BLOCKS = "timm:test_resnet"


def settings(name: str, **changes: object) -> BackboneSettings:
    chosen = {"name": name, "weights": "none", **changes}
    return load_config(None, {"learning": {"backbone": chosen}}).learning.backbone


def pictures(name: str, count: int = 2) -> torch.Tensor:
    side = find_architecture(name).sides.bounds(32, 32)[0]
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(8))


def into(network: nn.Module, classifier: str, images: torch.Tensor) -> torch.Tensor:
    """What reaches a network's classifier."""
    caught: list[torch.Tensor] = []
    hook = network.get_submodule(classifier).register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    network(images)
    hook.remove()
    return caught[0]


def pooled_by_vgg(network: Any, images: torch.Tensor) -> torch.Tensor:
    maps: torch.Tensor = network.features(images)
    return maps.mean((2, 3))


def pooled_by_inception(network: Any, images: torch.Tensor) -> torch.Tensor:
    network.transform_input = True
    return into(network, "fc", images)


def pooled_by(name: str) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    if name.startswith(("timm:", "tf_")):
        return lambda network, images: network(images)
    special = {"vgg16": pooled_by_vgg, "inception_v3": pooled_by_inception}
    classifiers = {"convnext_tiny": "classifier.2", "resnet18": "fc", "resnet50": "fc", "vit_b_16": "heads"}
    classifier = classifiers.get(name, "classifier")
    return special.get(name, lambda network, images: into(network, classifier, images))


@pytest.mark.parametrize("name", [*LISTED, PASSED_ON])
def test_a_cut_network_gives_the_librarys_own_features_and_draws_nothing_at_random(name: str) -> None:
    architecture, described, images = find_architecture(name), describe(name), pictures(name)
    with DrawsFrom(torch.Generator().manual_seed(1)):
        network: Any = architecture.build().eval()
    parts = architecture.split(network)
    lower, upper = parts.cut(described.frozen_blocks)
    with torch.inference_mode():
        whole = pooled_by(name)(network, images).flatten(1)
        cut = upper(lower(images))
        state = torch.get_rng_state()
        upper.train()(lower(images))
    scale = float(whole.abs().max())
    assert scale > 0
    assert cut.shape == (2, described.width)
    torch.testing.assert_close(cut / scale, whole / scale, rtol=1e-5, atol=1e-5)
    assert lower(images).ndim == 4
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", [name for name in LISTED if name != "mobilenet_v2"])
def test_every_listed_network_can_be_cut_and_says_where_it_is_by_itself(name: str) -> None:
    described, architecture = describe(name), find_architecture(name)
    assert 1 < described.frozen_blocks < described.blocks - 1
    assert architecture.checkpoint is not None
    assert len(architecture.mean) == len(architecture.deviation) == 3
    assert max(architecture.mean) < 1


def test_mobilenet_v2_is_cut_after_seven_blocks_and_its_features_keep_their_identity() -> None:
    plan = FeaturePlan(64, 1, 3, load_config().learning.augmentation, "f32", 1)
    by_itself, asked = (load_backbone(settings("mobilenet_v2", frozen_blocks=cut), seed=3) for cut in ("auto", 7))
    assert by_itself.frozen_blocks == 7
    assert plan.digest(by_itself) == plan.digest(asked)
    first = next(by_itself.lower.parameters()).flatten()[:3]
    torch.testing.assert_close(first, torch.tensor(MOBILENET_V2_SEED_3), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "densenet121", PASSED_ON])
def test_nothing_frozen_leaves_the_pictures_as_they_are(name: str) -> None:
    backbone = load_backbone(settings(name, frozen_blocks=0), seed=3)
    images = pictures(name)
    assert torch.equal(backbone.lower(images), images)
    assert backbone.upper(images).shape == (2, backbone.width)


@pytest.mark.parametrize(("name", "frozen", "said"), [("resnet18", 9, "0 to 8"), (WITHOUT_BLOCKS, 1, "only 0")])
def test_an_impossible_cut_says_what_is_possible(name: str, frozen: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_backbone(settings(name, frozen_blocks=frozen), seed=0)


@pytest.mark.parametrize(("wrong", "meant"), [("resnet81", "resnet18"), ("timm:convnext_tinny", "convnext_tiny")])
def test_a_wrong_name_is_answered_with_names_near_it(wrong: str, meant: str) -> None:
    with pytest.raises(UsageError, match=meant):
        find_architecture(wrong)


def test_a_name_of_both_libraries_is_torchvisions_unless_timm_is_asked_for() -> None:
    assert find_architecture("resnet18").library == "torchvision"
    assert find_architecture("timm:resnet18").library == "timm"
    assert find_architecture("timm:resnet18.a1_in1k").weights == "timm/resnet18.a1_in1k"
    with pytest.raises(UsageError, match="no_such_tag"):
        find_architecture("timm:resnet18.no_such_tag")


def test_sides_follow_the_network() -> None:
    vit, inception, resnet = (find_architecture(name).sides for name in ("vit_b_16", "inception_v3", "resnet18"))
    assert vit.bounds(96, 160) == (224, 224)
    assert inception.bounds(32, 64) == (75, 75)
    assert resnet.bounds(96, 224) == (96, 224)


@pytest.mark.parametrize(("name", "side"), [("vit_b_16", 96), ("inception_v3", 64), (PASSED_ON, 96)])
def test_a_side_the_network_cannot_take_is_refused_before_anything_is_built(name: str, side: int) -> None:
    with pytest.raises(UsageError, match=f"image_size.*{find_architecture(name).sides.smallest} px|image_size.*160 px"):
        load_backbone(settings(name, image_size=side), seed=0)


def tensors(backbone: Backbone) -> torch.Tensor:
    both = nn.ModuleList([backbone.lower, backbone.upper])
    return torch.cat([tensor.flatten().double() for tensor in both.state_dict().values()])


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "timm:test_efficientnet", PASSED_ON])
def test_a_random_start_depends_on_its_seed_alone(name: str) -> None:
    torch.manual_seed(1)
    first = load_backbone(settings(name), seed=5)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again, other = load_backbone(settings(name), seed=5), load_backbone(settings(name), seed=6)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(tensors(first), tensors(again))
    assert not torch.equal(tensors(first), tensors(other))


def test_what_is_neither_convolution_nor_linear_is_drawn_from_the_seed_too() -> None:
    positions = [
        random_blocks(find_architecture(PASSED_ON), seed=seed).blocks[0].get_parameter("pos_embed")
        for seed in (1, 1, 2)
    ]
    assert torch.equal(positions[0], positions[1])
    assert not torch.equal(positions[0], positions[2])
    assert positions[0].std() > 0


@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "mobilenet_v2"])
def test_multiplications_are_those_torchvision_publishes(name: str) -> None:
    from torchvision.models import get_model_weights

    published = get_model_weights(name)["IMAGENET1K_V1"].meta
    classifier = describe(name).width * 1000 / 1e9
    assert multiplications(name) / 1e9 + classifier == pytest.approx(published["_ops"], abs=2e-3)
    assert describe(name).parameters + (describe(name).width + 1) * 1000 == published["num_params"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty hub folder on a machine without a network."""

    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network here")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", offline)
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize(
    ("name", "file", "source"),
    [
        ("resnet18", "resnet18-f37072fd.pth", "https://download.pytorch.org/models/resnet18-f37072fd.pth"),
        (
            "timm:test_resnet",
            "test_resnet.r160_in1k.safetensors",
            "timm/test_resnet.r160_in1k/resolve/main/model.safetensors",
        ),
    ],
)
def test_missing_weights_name_the_file_its_place_and_its_source(hub: Path, name: str, file: str, source: str) -> None:
    with pytest.raises(HematoVisionError) as raised:
        load_backbone(settings(name, weights="imagenet"), seed=0)
    assert str(hub / file) in str(raised.value)
    assert source in str(raised.value)
    assert list(hub.iterdir()) == []


def published(name: str, seed: int) -> dict[str, torch.Tensor]:
    import timm

    with DrawsFrom(torch.Generator().manual_seed(seed)):
        return dict(timm.create_model(name).state_dict())


def test_timms_weights_are_taken_from_the_hub_folder(hub: Path) -> None:
    hub.mkdir(parents=True)
    expected = published("test_resnet", 9)
    save_file(expected, hub / "test_resnet.r160_in1k.safetensors")
    backbone = load_backbone(settings("timm:test_resnet", weights="imagenet"), seed=0)
    assert backbone.weights == "timm/test_resnet.r160_in1k"
    state = backbone.upper.state_dict()
    kept = {name: tensor for name, tensor in expected.items() if not name.startswith("fc.")}
    assert len(kept) == len(state)
    assert all(torch.equal(state[f"0.{name}"], tensor) for name, tensor in kept.items())


def test_a_checkpoint_that_lacks_a_weight_is_refused_and_not_filled_at_random(hub: Path) -> None:
    hub.mkdir(parents=True)
    lacking = published("test_resnet", 9)
    del lacking["conv1.0.weight" if "conv1.0.weight" in lacking else "conv1.weight"]
    save_file(lacking, hub / "test_resnet.r160_in1k.safetensors")
    with pytest.raises(HematoVisionError, match="test_resnet.r160_in1k.safetensors"):
        load_backbone(settings("timm:test_resnet", weights="imagenet"), seed=0)


def test_a_checkpoint_that_would_run_code_is_refused(hub: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return eval, ("1 + 1",)

    hub.mkdir(parents=True)
    torch.save({"weight": Runs()}, hub / "unverified.pth")
    with pytest.raises(HematoVisionError, match=r"unverified.pth is incomplete or holds something other"):
        weights.load_checkpoint(weights.Checkpoint(("unverified.pth",), ""))


def test_half_a_file_is_refused_by_name(hub: Path) -> None:
    hub.mkdir(parents=True)
    whole = hub / "test_resnet.r160_in1k.safetensors"
    save_file(published("test_resnet", 9), whole)
    whole.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(HematoVisionError, match="test_resnet.r160_in1k.safetensors is incomplete"):
        load_backbone(settings("timm:test_resnet", weights="imagenet"), seed=0)


def test_efficientnet_lite0_comes_from_its_offline_package(hub: Path) -> None:
    backbone = load_backbone(settings("tf_efficientnet_lite0", weights="imagenet", frozen_blocks=1), seed=0)
    raw = torch.load(hub / "efficientnet-lite0-57934424.pth", weights_only=True)
    assert torch.equal(backbone.lower.state_dict()["0.0.weight"], raw["_conv_stem.weight"])
    assert torch.equal(backbone.upper.state_dict()["15.conv_pwl.weight"], raw["_blocks.15._project_conv.weight"])
    assert torch.equal(backbone.upper.state_dict()["16.1.running_var"], raw["_bn1.running_var"])
    assert backbone.weights == "timm/tf_efficientnet_lite0.in1k"


def test_densenets_checkpoint_with_its_older_names_fits() -> None:
    architecture = find_architecture("densenet121")
    with DrawsFrom(torch.Generator().manual_seed(2)):
        own = architecture.build().state_dict()
    older = {name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): tensor for name, tensor in own.items()}
    assert older.keys() != own.keys()
    restored = architecture.restore(weights.Loaded(Path("densenet"), older, True)).state_dict()
    assert all(torch.equal(restored[name], tensor) for name, tensor in own.items())


def test_the_table_speaks_json_and_names_what_is_missing(tmp_path: Path) -> None:
    script = "from hematovision.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "backbones", "resnet18", WITHOUT_BLOCKS, "--json"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TORCH_HOME": str(tmp_path)},
    )
    document = json.loads(done.stdout)
    resnet, passed_on = document["backbones"]
    assert document["schema"] == 1
    assert document["folder"] == str(tmp_path / "hub" / "checkpoints")
    assert resnet["parameters"] == 11_176_512
    assert resnet["weights"] == {
        "name": "ResNet18_Weights.IMAGENET1K_V1",
        "file": "resnet18-f37072fd.pth",
        "here": False,
        "address": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    }
    assert (passed_on["blocks"], passed_on["frozen_blocks"]) == (1, 0)
