"""torchvision's families as blocks; each function takes a whole network and leaves its classifier out."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from hematovision.learning.backbones.blocks import (
    Blocks,
    average_pooling,
    flattened,
    grouped,
    map_as_tokens,
    tokens_as_map,
)


def mobilenet(network: Any) -> Blocks:
    """MobileNetV2 (Sandler et al. 2018) and V3 (Howard et al. 2019): stem, inverted residuals, last convolution."""
    return Blocks(list(network.features), average_pooling())


def efficientnet(network: Any) -> Blocks:
    """EfficientNet (Tan & Le 2019): stem, inverted residuals, last convolution."""
    return Blocks(_opened_stages(network), average_pooling())


def convnext(network: Any) -> Blocks:
    """ConvNeXt (Liu et al. 2022): stem, blocks and the shrinking layers between; normalised after the pooling."""
    norm, flatten = network.classifier[0], network.classifier[1]
    return Blocks(_opened_stages(network), [nn.AdaptiveAvgPool2d(1), norm, flatten])


def _opened_stages(network: Any) -> list[nn.Module]:
    stages = list(network.features)
    return [block for stage in stages for block in ([stage] if _is_one_block(stage) else stage)]


def _is_one_block(stage: nn.Module) -> bool:
    # A stage is a plain Sequential of modules of its own; stems and shrinking layers hold bare layers.
    return type(stage) is not nn.Sequential or any(not list(layer.children()) for layer in stage)


def resnet(network: Any) -> Blocks:
    """ResNet (He et al. 2016): stem, then residual blocks."""
    stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
    layers = [network.layer1, network.layer2, network.layer3, network.layer4]
    return Blocks([stem, *flattened(layers)], average_pooling())


def vgg(network: Any) -> Blocks:
    """VGG (Simonyan & Zisserman 2015): its convolutions, averaged; its two layers of 4,096 units are left out."""
    return Blocks(grouped(network.features, lambda layer: not isinstance(layer, nn.Conv2d)), average_pooling())


def densenet(network: Any) -> Blocks:
    """DenseNet (Huang et al. 2017): stem, dense blocks and the transitions between."""
    layers = dict(network.features.named_children())
    stem = nn.Sequential(*(layers.pop(name) for name in ("conv0", "norm0", "relu0", "pool0")))
    last = nn.Sequential(layers.pop("norm5"), nn.ReLU())
    blocks = [*layers.values()]
    blocks[-1] = nn.Sequential(blocks[-1], *last)
    return Blocks([stem, *blocks], average_pooling())


class ImageNetToHalves(nn.Module):
    """From ImageNet's normalisation to (pixel - 0.5) / 0.5, which Inception-v3's weights were trained with."""

    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        self.scales = [std / 0.5 for std in deviation]
        self.offsets = [(value - 0.5) / 0.5 for value in mean]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, 3, S, S), normalised the one way → the other."""
        changed = [
            images[:, channel : channel + 1] * scale + offset
            for channel, (scale, offset) in enumerate(zip(self.scales, self.offsets, strict=True))
        ]
        return torch.cat(changed, 1)


def inception(network: Any) -> Blocks:
    """Inception-v3 (Szegedy et al. 2016), without its auxiliary classifier."""
    from torchvision.models import Inception_V3_Weights

    preset = Inception_V3_Weights.IMAGENET1K_V1.transforms()
    kept = [layer for name, layer in network.named_children() if name not in ("AuxLogits", "avgpool", "dropout", "fc")]
    blocks = grouped(kept, lambda layer: isinstance(layer, nn.MaxPool2d))
    first = nn.Sequential(ImageNetToHalves(tuple(preset.mean), tuple(preset.std)), blocks[0])
    return Blocks([first, *blocks[1:]], average_pooling())


class PatchEmbedding(nn.Module):
    """Patches and the class token with their positions, (N, 3, S, S) → tokens as a map (N, C, 1 + patches, 1)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.projection = network.conv_proj
        self.class_token = network.class_token
        self.positions = network.encoder.pos_embedding

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images of the one side the positions were learnt for."""
        patches = self.projection(images).flatten(2).transpose(1, 2)
        classes = self.class_token.expand(images.shape[0], -1, -1)
        return tokens_as_map(torch.cat([classes, patches], 1) + self.positions)


class TokenLayer(nn.Module):
    """A layer over tokens (N, L, C), fed with and giving maps (N, C, L, 1)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """The layer's output, as a map."""
        return tokens_as_map(self.layer(map_as_tokens(maps)))


class ClassToken(nn.Module):
    """The normalised class token, (N, C, L, 1) → (N, C)."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """What a vision transformer answers from."""
        normalised: torch.Tensor = self.norm(maps[:, :, 0, 0])
        return normalised


def vision_transformer(network: Any) -> Blocks:
    """ViT (Dosovitskiy et al. 2021): patch embedding, encoder layers; pooled is the class token."""
    layers = [TokenLayer(layer) for layer in network.encoder.layers]
    return Blocks([PatchEmbedding(network), *layers], [ClassToken(network.encoder.ln)])


FAMILIES: dict[str, Callable[[Any], Blocks]] = {
    "convnext": convnext,
    "densenet": densenet,
    "efficientnet": efficientnet,
    "inception": inception,
    "mobilenetv2": mobilenet,
    "mobilenetv3": mobilenet,
    "resnet": resnet,
    "vgg": vgg,
    "vision_transformer": vision_transformer,
}
"""How a network of torchvision is read, by the torchvision module that builds it."""
