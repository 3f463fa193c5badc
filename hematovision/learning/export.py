"""Networks as ONNX, the form that OpenVINO compiles; its converter for torch modules is not used: it reports home."""

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn


def export_onnx(module: nn.Module, target: Path, *, side: int, outputs: Sequence[str]) -> None:
    """Write a module as ONNX: `images` (batch, 3, side, side) float32 → the named outputs, for any batch."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (torch.zeros(2, 3, side, side),),
            str(target),
            input_names=["images"],
            output_names=list(outputs),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
