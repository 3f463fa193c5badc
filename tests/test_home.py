"""State lies beside the project or where told; what a user has set stays as set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hematovision.home import PROJECT, activate_home, locate_home


def test_the_home_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEMATOVISION_HOME", str(tmp_path / "state"))
    assert locate_home().root == tmp_path / "state"
    monkeypatch.delenv("HEMATOVISION_HOME")
    assert locate_home().root == PROJECT / ".hematovision"


def test_libraries_are_pointed_at_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEMATOVISION_HOME", str(tmp_path / "state"))
    variables: dict[str, str] = {}
    activate_home(variables)
    for name in ("ZENML_CONFIG_PATH", "ZENML_LOCAL_STORES_PATH", "TORCH_HOME", "MPLCONFIGDIR"):
        assert Path(variables[name]).is_relative_to(tmp_path / "state"), name
    assert variables["ZENML_ANALYTICS_OPT_IN"] == "false"


@pytest.mark.parametrize("name", ["ZENML_STORE_URL", "ZENML_CONFIG_PATH"])
def test_a_users_own_zenml_is_kept(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEMATOVISION_HOME", str(tmp_path))
    variables = {name: "their own", "TORCH_HOME": "theirs too"}
    activate_home(variables)
    assert variables[name] == "their own"
    assert variables["TORCH_HOME"] == "theirs too"
    assert "ZENML_LOCAL_STORES_PATH" not in variables


def test_a_users_own_mlflow_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEMATOVISION_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert locate_home().tracking_uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://registry.example")
    assert locate_home().tracking_uri == "https://registry.example"


def test_help_imports_none_of_the_heavy_libraries() -> None:
    script = (
        "import sys\nfrom typer.testing import CliRunner\nfrom hematovision.cli.application import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "heavy = {'torch', 'zenml', 'mlflow', 'pandas', 'great_expectations', 'cv2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_lands_in_the_users_home(tmp_path: Path) -> None:
    script = (
        "from hematovision.home import activate_home, locate_home; activate_home()\n"
        "from hematovision.config import load_config\n"
        "from hematovision.learning.backbones import load_backbone\n"
        "from hematovision.learning.extraction import backbone_model\n"
        "from hematovision.learning.export import export_onnx\n"
        "from hematovision.learning.inference import compile_for, compile_for_throughput\n"
        "from hematovision.learning.features import FeaturePlan\n"
        "learning = load_config(None, {'learning': {'backbone': {'weights': 'none'}}}).learning\n"
        "plan = FeaturePlan(64, 1, 2, learning.augmentation, 'f32', 1, pooled_views=1)\n"
        "backbone = load_backbone(learning.backbone, seed=1)\n"
        "compile_for_throughput(backbone_model(backbone, plan), precision='f32')\n"
        "network = locate_home().root / 'lower.onnx'\n"
        "export_onnx(backbone.lower, network, side=32, outputs=['taps'])\n"
        "for runtime in ('openvino', 'onnxruntime'):\n"
        "    compile_for(runtime, network, mean=backbone.mean, deviation=backbone.deviation)\n"
    )
    home = tmp_path / "home"
    home.mkdir()
    variables = {**os.environ, "HOME": str(home), "HEMATOVISION_HOME": str(tmp_path / "state")}
    for name in ("CI", "ORT_DISABLE_TELEMETRY"):  # libraries keep still where they think that they are tested
        variables.pop(name, None)
    subprocess.run([sys.executable, "-c", script], env=variables, check=True, capture_output=True)
    assert list(home.iterdir()) == []
