"""ONNX networks compiled for this machine's CPU."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from hematovision.data.decoding import Pixels
from hematovision.errors import UsageError
from hematovision.learning.preprocessing import normalise
from hematovision.learning.settings import Runtime

Network = Callable[[Pixels], list[np.ndarray]]
"""Takes pictures, (N, S, S, 3) uint8 RGB, and gives its outputs in order."""


def import_openvino() -> ModuleType:
    """OpenVINO without its telemetry, which reports every import and writes to the user's home.

    Raises:
        UsageError: it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return _import_runtime("openvino")


def openvino_core() -> Any:
    """The one entrance to OpenVINO of this process.

    Raises:
        UsageError: it is not installed.
    """
    return _only_core(import_openvino())


@cache
def _only_core(openvino: ModuleType) -> Any:
    """Each further core would set the main thread's signal stack; freed out of order they leave it dangling, and the
    next signal with a Python handler ends the process (OpenVINO 2026.4)."""
    return openvino.Core()


def _import_runtime(name: Runtime) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise UsageError(
            f"{name} is asked for and cannot be loaded here ({error}): install it with `pip install {name}`, or set "
            "serving.runtime to another for the service."
        ) from error


def compile_for(
    runtime: Runtime, path: Path, *, mean: Sequence[float], deviation: Sequence[float], threads: int | None = None
) -> Network:
    """Compile a network in single precision for one of the runtimes, and for no other; any thread may call it.

    Args:
        mean, deviation: what it expects of pixels in 0–1, a channel.
        threads: cores that one call may keep busy; None is as many as there are, or as OpenVINO finds best.

    Raises:
        UsageError: the runtime is not installed.
    """
    compiled = _with_openvino if runtime == "openvino" else _with_onnxruntime
    return compiled(path, mean, deviation, threads)


def _with_openvino(path: Path, mean: Sequence[float], deviation: Sequence[float], threads: int | None) -> Network:
    openvino = import_openvino()
    hints: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads is not None:
        hints["INFERENCE_NUM_THREADS"] = threads
    compiled = openvino_core().compile_model(taking_pictures(path, mean, deviation, compact=()), "CPU", hints)
    request, alone = compiled.create_infer_request(), Lock()

    def run(pictures: Pixels) -> list[np.ndarray]:
        tensor = openvino.Tensor(np.require(pictures, requirements=("C", "W")), shared_memory=True)
        with alone:  # the request holds one batch at a time and refuses a second caller meanwhile
            return list(request.infer(tensor).to_tuple())

    return run


def _with_onnxruntime(path: Path, mean: Sequence[float], deviation: Sequence[float], threads: int | None) -> Network:
    runtime = _import_runtime("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or os.cpu_count() or 1  # at 0 it pins them, which containers may forbid
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads leave the CPU to others
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()

    def run(pictures: Pixels) -> list[np.ndarray]:
        return list(session.run(None, {entry.name: normalise(pictures, mean, deviation)}))

    return run


def compile_onnx(path: Path, *, precision: str) -> Any:
    """Compile a network with OpenVINO; calling the result with (N, 3, S, S) float32 gives its outputs in order.

    Args:
        precision: `f32`, or `bf16` where the CPU has it.
    """
    core = openvino_core()
    return core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": precision})


def check_precision(asked: str) -> None:
    """Refuse what this CPU would only imitate.

    Raises:
        UsageError: bf16 is asked for, and this CPU has none.
    """
    if asked == "bf16" and "BF16" not in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UsageError("This CPU does not compute in bf16: set learning.backbone.precision: f32.")


def taking_pictures(path: Path, mean: Sequence[float], deviation: Sequence[float], *, compact: Sequence[str]) -> Any:
    """An ONNX network that takes pictures, (N, S, S, 3) uint8, instead of normalised images; not compiled yet.

    Args:
        mean, deviation: of pixels in 0–1, a channel; the network normalises by itself.
        compact: outputs given as float16.
    """
    openvino = import_openvino()
    prepared = openvino.preprocess.PrePostProcessor(openvino_core().read_model(path))
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
    return openvino_core().compile_model(model, "CPU", hints)
