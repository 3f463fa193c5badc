"""The head on frozen features as logistic regression, brought to its optimum."""

import numpy as np
import torch
from torch.nn import functional

from hematovision.learning.curves import Epoch
from hematovision.learning.fitting import Part, average_logits
from hematovision.learning.networks import CellNetwork
from hematovision.learning.settings import SolverSettings


def solve_head(
    network: CellNetwork,
    pooled: np.ndarray,
    training: Part,
    validation: Part,
    solver: SolverSettings,
    weights: torch.Tensor | None,
) -> list[Epoch]:
    """Fit the head by L-BFGS on every view of the cells (Liu & Nocedal 1989); no random number takes part.

    The optimum of the training part is measured on the validation part, which then joins it: a fit without early
    stopping has no other use for cells held back. As in the other phases, they are seen as they lie.

    Args:
        pooled: (N, V, D) float32. weights: of the classes, or None.

    Returns:
        One entry for the learning curves.
    """
    training_loss = _minimise(network, pooled, training, solver, weights)
    logits = torch.from_numpy(average_logits(network.eval().from_pooled, pooled, validation.rows, 1))
    targets = torch.from_numpy(validation.targets)
    measured = Epoch(
        phase="frozen",
        epoch=1,
        training_loss=training_loss,
        validation_loss=float(functional.cross_entropy(logits, targets, weight=weights)),
        validation_accuracy=float((logits.argmax(1) == targets).float().mean()),
    )
    rows, classes = (
        np.concatenate([getattr(part, of) for part in (training, validation)]) for of in ("rows", "targets")
    )
    _minimise(network, pooled, Part(rows, classes), solver, weights)
    return [measured]


def _minimise(
    network: CellNetwork, pooled: np.ndarray, part: Part, solver: SolverSettings, weights: torch.Tensor | None
) -> float:
    """Mean loss of a view at the optimum, the penalty left out."""
    views = torch.from_numpy(pooled[part.rows].reshape(-1, pooled.shape[-1]))
    inputs = (views - network.centre) / network.spread
    targets = torch.from_numpy(part.targets).repeat_interleave(pooled.shape[1])
    optimiser = torch.optim.LBFGS(
        network.head.parameters(), max_iter=solver.iterations, line_search_fn="strong_wolfe", tolerance_grad=1e-4
    )
    plain = torch.tensor(0.0)

    def loss() -> float:
        nonlocal plain
        optimiser.zero_grad()
        plain = functional.cross_entropy(network.head(inputs), targets, weight=weights)
        whole = plain + solver.penalty / 2 * network.head.weight.square().sum()
        whole.backward()  # type: ignore[no-untyped-call]
        return float(whole.detach())

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return float(plain.detach())
