"""What compiled networks leave in the process that held them."""

import subprocess
import sys
from pathlib import Path

import torch

OLD_MODELS_GO = """
import signal, sys
from pathlib import Path
from hematovision.learning.inference import compile_onnx

path = Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: print("stopped in order", flush=True))
serving = compile_onnx(path, precision="f32")
for _ in range(3):
    serving = compile_onnx(path, precision="f32")  # the older one goes after the newer has come
del serving
signal.raise_signal(signal.SIGTERM)
"""


def test_a_signal_is_handled_after_models_came_and_went(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    torch.onnx.export(torch.nn.Conv2d(3, 2, 3), (torch.zeros(1, 3, 8, 8),), path, dynamo=False)
    command = [sys.executable, "-X", "faulthandler", "-c", OLD_MODELS_GO, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (0, "stopped in order\n"), ended.stderr
