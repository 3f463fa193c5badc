"""ONNX networks compiled for this machine's CPU."""

import sys
from pathlib import Path
from typing import Any


def compile_onnx(path: Path, *, precision: str) -> Any:
    """Compile a network with OpenVINO; calling the result with (N, 3, S, S) float32 gives its outputs in order.

    Args:
        precision: `f32`, or `bf16` where the CPU has it.
    """
    # OpenVINO reports every import, and writes to the user's home, unless this package is out of its reach.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    core = openvino.Core()
    return core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": precision})
