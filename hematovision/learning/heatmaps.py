"""Where a network looked: Grad-CAM heat maps of single cells."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hematovision.errors import UsageError

FloatMaps = NDArray[np.float32]


class NoSpatialMap(UsageError):
    """The backbone gives no map of the picture that a heat map could be drawn from."""


def last_spatial_block(network: nn.Module, side: int) -> nn.Module:
    """The block that gives the last map of the picture before it is pooled, found by sending one picture through.

    Args:
        network: normalised (N, 3, S, S) float32 → logits.
        side: S, in pixels.

    Raises:
        NoSpatialMap: behind its last square map the network goes on with tokens, as transformers do.
    """
    seen: list[tuple[nn.Module, tuple[int, ...]]] = []

    def note(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            seen.append((module, tuple(output.shape)))

    handles = [module.register_forward_hook(note) for module in network.modules()]
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, side, side))
    finally:
        for handle in handles:
            handle.remove()
    places = [place for place, (_, shape) in enumerate(seen) if _is_map(shape)]
    later = seen[places[-1] + 1 :] if places else seen
    if not places or any(_is_tokens(shape) for _, shape in later):
        raise NoSpatialMap(
            "Heat maps are not available for this backbone: it ends in tokens, not in a map of the picture."
        )
    return seen[places[-1]][0]


def _is_map(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[2] == shape[3] > 1


def _is_tokens(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 or (len(shape) == 4 and shape[2] != shape[3])


def heat_maps(network: nn.Module, images: NDArray[np.float32], targets: Sequence[int], *, batch: int = 16) -> FloatMaps:
    """Grad-CAM: which places speak for a class, (N, S, S) in 0–1.

    A map is scaled to its own strongest place: it compares places of one picture, never two pictures. All zero where
    nothing speaks for the class. Of a network that answers by the mean over quarter turns, the mean of the turns' maps.

    Args:
        network: normalised (N, 3, S, S) float32 → logits; left in evaluation mode. One with `orientations` sends that
            many turns of the batch through its blocks, one behind the other.
        images: (N, 3, S, S) float32, normalised.
        targets: N class numbers, the columns of the logits.
        batch: pictures at a time.

    Raises:
        NoSpatialMap: see `last_spatial_block`.

    Source: Selvaraju et al. 2017, Grad-CAM (ICCV); the library `grad-cam` (Gildenblat et al.).
    """
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    if not len(images):
        return np.empty((0, *images.shape[2:]), np.float32)
    block = last_spatial_block(network, images.shape[-1])
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    network.requires_grad_(False)
    begun = block.register_forward_hook(_begin_gradients)
    explainer = GradCAM(model=network, target_layers=[block])
    try:
        parts = [
            _upright(
                explainer(
                    torch.from_numpy(images[start : start + batch]),
                    [ClassifierOutputTarget(target) for target in targets[start : start + batch]],
                ),
                int(getattr(network, "orientations", 1)),
            )
            for start in range(0, len(images), batch)
        ]
    finally:
        explainer.activations_and_grads.release()
        begun.remove()
        for parameter, before in zip(network.parameters(), wanted, strict=True):
            parameter.requires_grad_(before)
    return np.concatenate(parts).astype(np.float32)


def _begin_gradients(_: nn.Module, __: object, maps: torch.Tensor) -> torch.Tensor:
    """The same maps, as if nothing came before them: no gradient is asked of the blocks that made them."""
    return maps.detach().requires_grad_().clone()  # a clone may be changed in place by what follows


def _upright(maps: FloatMaps, orientations: int) -> FloatMaps:
    """The mean of the maps of all turns, each turned back, and scaled to 0–1 again: (T·N, S, S) → (N, S, S)."""
    turned = maps.reshape(orientations, -1, *maps.shape[1:])
    back = [np.rot90(part, -(turn * 4 // orientations), (1, 2)) for turn, part in enumerate(turned)]
    mean = np.mean(back, axis=0)
    strongest = mean.max(axis=(1, 2), keepdims=True)
    upright: FloatMaps = np.divide(mean, strongest, out=np.zeros_like(mean), where=strongest > 0).astype(np.float32)
    return upright
