"""Training in bf16: where the processor has it, in f32 where bf16 has slow gradients, and learning as much."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from hematovision.errors import UsageError
from hematovision.learning.arithmetic import Arithmetic, choose_arithmetic, computing_in


@pytest.mark.parametrize(("capability", "expected"), [("avx512_bf16", "bf16"), ("amx_bf16", "bf16"), ("avx2", "f32")])
def test_auto_is_bf16_where_the_processor_has_it(
    capability: str, expected: Arithmetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True, "avx": True})
    assert choose_arithmetic("auto") == expected
    assert choose_arithmetic("f32") == "f32"


def test_what_the_processor_would_only_imitate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with pytest.raises(UsageError, match=r"does not compute in bf16: set learning\.training\.precision"):
        choose_arithmetic("bf16")


class Convolutions(nn.Module):
    """One of each kind, each on its own."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(4, 4, 3, stride=2)
        self.depthwise = nn.Conv2d(4, 4, 3, groups=4)
        self.strided = nn.Conv2d(4, 4, 3, stride=2, groups=4)
        self.large = nn.Conv2d(4, 4, 5, groups=4)

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: part(pictures) for name, part in self.named_children()}


def test_depthwise_convolutions_without_a_fast_gradient_stay_in_f32() -> None:
    module, pictures = Convolutions(), torch.ones(2, 4, 8, 8)
    with computing_in("bf16", module):
        made = module(pictures)
    kinds = {name: output.dtype for name, output in made.items()}
    assert kinds == {
        "plain": torch.bfloat16,
        "depthwise": torch.bfloat16,
        "strided": torch.float32,
        "large": torch.float32,
    }
    sum(output.float().sum() for output in made.values()).backward()
    assert {weight.grad.dtype for weight in module.parameters() if weight.grad is not None} == {torch.float32}


def test_nothing_is_left_behind_even_after_an_error() -> None:
    @contextmanager
    def tried(arithmetic: Arithmetic, module: nn.Module) -> Iterator[None]:
        with pytest.raises(RuntimeError), computing_in(arithmetic, module):
            yield

    module, pictures = Convolutions(), torch.ones(2, 4, 8, 8)
    with tried("bf16", module):
        module.strided(torch.ones(2, 3, 8, 8))
    assert not torch.is_autocast_enabled("cpu")
    assert {output.dtype for output in module(pictures).values()} == {torch.float32}


def test_in_f32_nothing_changes() -> None:
    module, pictures = Convolutions(), torch.ones(2, 4, 8, 8)
    with computing_in("f32", module):
        made: dict[str, Any] = module(pictures)
    assert all(torch.equal(made[name], output) for name, output in module(pictures).items())
