"""ONNX networks compiled for this machine's CPU."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from hematovision.errors import UsageError


def import_openvino() -> ModuleType:
    """OpenVINO without its telemetry, which reports every import and writes to the user's home."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return import_module("openvino")


def compile_onnx(path: Path, *, precision: str) -> Any:
    """Compile a network with OpenVINO; calling the result with (N, 3, S, S) float32 gives its outputs in order.

    Args:
        precision: `f32`, or `bf16` where the CPU has it.
    """
    core = import_openvino().Core()
    return core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": precision})


def check_precision(asked: str) -> None:
    """Refuse what this CPU would only imitate.

    Raises:
        UsageError: bf16 is asked for, and this CPU has none.
    """
    if asked == "bf16" and "BF16" not in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UsageError("This CPU does not compute in bf16: set learning.backbone.precision: f32.")


def taking_pictures(path: Path, mean: Sequence[float], deviation: Sequence[float], *, compact: Sequence[str]) -> Any:
    """An ONNX network that takes pictures, (N, S, S, 3) uint8, instead of normalised images; not compiled yet.

    Args:
        mean, deviation: of pixels in 0–1, a channel; the network normalises by itself.
        compact: outputs given as float16.
    """
    openvino = import_openvino()
    prepared = openvino.preprocess.PrePostProcessor(openvino.Core().read_model(path))
    pictures = prepared.input()
    pictures.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    pictures.model().set_layout(openvino.Layout("NCHW"))
    steps = pictures.preprocess().convert_element_type(openvino.Type.f32)
    steps.mean([255 * value for value in mean]).scale([255 * value for value in deviation])
    for name in compact:
        prepared.output(name).tensor().set_element_type(openvino.Type.f16)
    return prepared.build()


def compile_for_throughput(model: Any, *, precision: str) -> Any:
    """Compile a network so that calls side by side keep every core busy."""
    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
    return import_openvino().Core().compile_model(model, "CPU", hints)
