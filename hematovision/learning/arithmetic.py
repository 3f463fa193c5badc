"""In which arithmetic a network trains: bf16 where the processor computes in it, f32 where bf16 has slow gradients."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

from hematovision.errors import UsageError

Arithmetic = Literal["f32", "bf16"]


def computes_in_bf16() -> bool:
    """Whether this processor multiplies in bf16, instead of imitating it."""
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def choose_arithmetic(asked: Literal["auto", "f32", "bf16"]) -> Arithmetic:
    """What training computes in; `auto` is bf16 where the processor has it.

    Raises:
        UsageError: bf16 is asked for, and this processor has none.
    """
    if asked == "bf16" and not computes_in_bf16():
        raise UsageError("This processor does not compute in bf16: set learning.training.precision: auto or f32.")
    return ("bf16" if computes_in_bf16() else "f32") if asked == "auto" else asked


@contextmanager
def computing_in(arithmetic: Arithmetic, module: nn.Module) -> Iterator[None]:
    """Forward passes of a module on the CPU: in bf16 products of bf16 numbers, weights and their gradients in f32.

    Depthwise convolutions stay in f32 unless they are 3×3 without a stride: the gradients of the others have no fast
    kernel in bf16 (oneDNN 3), took 1.5 to 37 times as long as in f32, and ate all that the rest of a network gains.
    Source: Micikevicius et al. 2018, Mixed Precision Training.
    """
    if arithmetic == "f32":
        yield
        return
    slow = [part for part in module.modules() if _has_slow_gradients(part)]
    hooks = [part.register_forward_pre_hook(_leave) for part in slow]
    hooks += [part.register_forward_hook(_return, always_call=True) for part in slow]
    try:
        with torch.autocast("cpu", torch.bfloat16):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _has_slow_gradients(part: nn.Module) -> bool:
    if not isinstance(part, nn.Conv2d) or not part.groups == part.in_channels > 1:
        return False
    return max(part.kernel_size) > 3 or max(part.stride) > 1


def _leave(_part: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    torch.set_autocast_enabled("cpu", False)
    return tuple(one.float() for one in given)


def _return(_part: nn.Module, _given: Any, _made: Any) -> None:
    torch.set_autocast_enabled("cpu", True)
