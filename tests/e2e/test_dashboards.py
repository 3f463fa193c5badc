"""`hematovision ui`: both dashboards answer on the loopback address and end with the command."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_both_answer_on_loopback_and_stop_together(told: signal.Signals) -> None:
    ports = {"mlflow": free_port(), "zenml": free_port()}
    command = [str(Path(sys.executable).with_name("hematovision")), "ui", "--json"]
    command += ["--mlflow-port", str(ports["mlflow"]), "--zenml-port", str(ports["zenml"])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        assert line, process.stderr.read() if process.stderr else ""
        document = json.loads(line)
        for name, port in ports.items():
            assert document[name] == f"http://127.0.0.1:{port}"
            with urllib.request.urlopen(document[name], timeout=60) as answer:  # noqa: S310
                assert answer.status == 200
    finally:
        process.send_signal(told)
        process.wait(60)
    for port in ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"port {port} is still served"


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [str(Path(sys.executable).with_name("hematovision")), "ui", "--mlflow-port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=120)
    assert done.returncode == 2
    assert str(port) in done.stderr
