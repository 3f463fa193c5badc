"""What `serve` says when there is nothing to serve."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

from hematovision.home import PROJECT, Home
from tests.serving.running import environment


def test_without_a_champion_it_says_what_to_do(tmp_path: Path) -> None:
    name = f"cells-{uuid.uuid4().hex[:8]}"
    config = tmp_path / "service.yaml"
    config.write_text(f"registry: {{model_name: {name}}}\n")
    command = [sys.executable, "-m", "hematovision", "serve", "--json", "--config", str(config)]
    ended = subprocess.run(command, env=environment(Home(tmp_path / "home")), cwd=PROJECT, capture_output=True)
    assert ended.returncode == 2, ended.stderr.decode()
    message = json.loads(ended.stdout)["error"]["message"]
    assert f"hematovision promote {name}/VERSION" in message
    assert f"hematovision serve --model models:/{name}/VERSION" in message
