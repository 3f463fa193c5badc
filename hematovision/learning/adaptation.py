"""A trained network brought closer to a new site by its unlabelled pictures: batch norms re-estimated, no gradient."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hematovision.errors import UsageError
from hematovision.learning.backbones import load_backbone
from hematovision.learning.features import FeatureCache, Views
from hematovision.learning.folds import FeatureSet
from hematovision.learning.networks import CellNetwork
from hematovision.learning.settings import AdaptationSettings, LearningSettings


class _Statistics:
    """Mean and variance of what enters one batch norm, over all batches; the norm itself is kept on the mixture."""

    def __init__(self, norm: nn.BatchNorm2d, share: float) -> None:
        self.norm, self.share = norm, share
        self.source = [buffer.clone() for buffer in self._buffers()]
        self.seen = 0
        self.sums = [torch.zeros_like(buffer, dtype=torch.float64) for buffer in self.source]

    def _buffers(self) -> list[torch.Tensor]:
        if self.norm.running_mean is None or self.norm.running_var is None:
            raise UsageError("A batch norm of this network keeps no statistics: there is nothing to re-estimate.")
        return [self.norm.running_mean, self.norm.running_var]

    def before(self, _: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Called with what enters the norm, before it is normalised."""
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        self.seen += len(inputs[0])
        for total, part in zip(self.sums, (mean, variance + mean**2), strict=True):
            total += len(inputs[0]) * part.double()
        self._mix(mean, variance)

    def settle(self) -> None:
        """Leave the norm on the mixture with the statistics of all batches together."""
        mean, square = (total / self.seen for total in self.sums)
        self._mix(mean.float(), (square - mean**2).clamp_min(0).float())

    def _mix(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        for buffer, source, found in zip(self._buffers(), self.source, (mean, variance), strict=True):
            buffer.copy_(torch.lerp(source, found, self.share))


def check_adaptable(network: CellNetwork, learning: LearningSettings) -> None:
    """Refuse a network whose batch norms say nothing about the cells it was trained on.

    Args:
        learning: how it was trained.

    Raises:
        UsageError: there are none behind the frozen blocks, or only the head was trained.
    """
    name = learning.backbone.name
    if not _norms(network):
        raise UsageError(
            f"{name} has no batch norms behind its frozen blocks, and nothing else is adapted without labels. It "
            "learns a new site from corrected cells (`hematovision improve`), as all networks with layer norms do."
        )
    if learning.head_alone:
        raise UsageError(
            f"Only the head of this model was trained: the batch norms of its {name} are those of ImageNet, not of its "
            "cells, and moving them would only mislead the head. Train with fine-tuning, then adapt."
        )


def _norms(network: CellNetwork) -> list[nn.BatchNorm2d]:
    return [module for module in network.upper.modules() if isinstance(module, nn.BatchNorm2d)]


def adapt_batch_norms(network: CellNetwork, taps: Views, settings: AdaptationSettings) -> None:
    """Re-estimate the batch norms behind the frozen blocks on unlabelled pictures; weights stay as they are.

    Every norm takes N / (n + N) of what training left in it and n / (n + N) of what n new pictures show. Later norms
    see what the moved earlier ones hand on. Frozen blocks keep their statistics: these never were those of the training
    cells, and strangeness and drift are measured behind them.

    Args:
        network: in evaluation mode; changed in place.
        taps: the frozen blocks' output of n pictures, their orientations first. Neighbours share a batch: an order
            that goes by class makes bad batches, one by content hash good ones.

    Raises:
        GateRefused: too few pictures.

    Source: Schneider et al. 2020, Improving robustness against common corruptions by covariate shift adaptation
    (NeurIPS), equation 3; Li et al. 2017, Revisiting batch normalization for practical domain adaptation.
    """
    pictures = taps.shape[0]
    share = settings.share(pictures)
    with torch.inference_mode(), _watched(_norms(network.eval()), share) as watched:
        for part in _batches(pictures, settings.batch_size):
            turned = [torch.from_numpy(taps[part, view]).float() for view in range(network.orientations)]
            network.from_taps(torch.cat(turned))
        for statistics in watched:
            statistics.settle()


def _batches(count: int, size: int) -> Sequence[np.ndarray]:
    """Row numbers in batches as even as they can be: a last one of a single picture would be no estimate."""
    return np.array_split(np.arange(count), max(1, round(count / size)))


@contextmanager
def _watched(norms: Sequence[nn.BatchNorm2d], share: float) -> Iterator[list[_Statistics]]:
    watched = [_Statistics(norm, share) for norm in norms]
    handles = [norm.register_forward_pre_hook(one.before) for norm, one in zip(norms, watched, strict=True)]
    try:
        yield watched
    finally:
        for handle in handles:
            handle.remove()


def adapted_network(
    learnt: Mapping[str, torch.Tensor],
    pictures: Sequence[str],
    features: FeatureSet,
    settings: LearningSettings,
    adaptation: AdaptationSettings,
    *,
    seed: int,
    threads: int,
) -> CellNetwork:
    """The network that had learnt this, its batch norms moved towards pictures.

    Args:
        pictures: content hashes, in the order of the batches. features: of them. seed: of the backbone's random start,
            where it had one. threads: of torch; part of what fixes the result.

    Raises:
        UsageError, GateRefused: see `check_adaptable`, `adapt_batch_norms`.
    """
    torch.set_num_threads(threads)
    backbone = load_backbone(settings.backbone, seed=seed, pooling=settings.pooling(features.side))
    generator, classes = torch.Generator().manual_seed(seed), len(learnt["head.bias"])
    network = CellNetwork(backbone, classes, settings.orientations, 0.0, generator, settings.head.hidden)
    network.recall(learnt)
    check_adaptable(network, settings)
    taps = FeatureCache(Path(features.folder)).read(pictures).taps
    adapt_batch_norms(network.eval(), taps, adaptation)
    return network
