"""Networks as ONNX, the form that OpenVINO compiles; its converter for torch modules is not used: it reports home."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import torch
from torch import nn

_ALONE = Lock()  # the exporter keeps what it does in global variables


def export_onnx(module: nn.Module, target: Path, *, side: int, outputs: Sequence[str], batch: int = 2) -> None:
    """Write a module as ONNX: `images` (batch, 3, side, side) float32 → the named outputs, for any batch.

    Args:
        batch: of the pictures it is traced with, where the module does not take every number.
    """
    with _ALONE, _plain_attention(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (torch.zeros(batch, 3, side, side),),
            str(target),
            input_names=["images"],
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in ("images", *outputs)},
            opset_version=18,
            dynamo=False,  # the same network by torch.export takes ten times as long
        )


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention in single operators: ONNX has none for torch's fused one."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
