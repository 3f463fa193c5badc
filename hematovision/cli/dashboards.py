"""`ui`: MLflow and the ZenML dashboard on the loopback address, until interrupted."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hematovision.cli.output import command
from hematovision.errors import HematoVisionError, UsageError
from hematovision.home import Home, locate_home

HOST = "127.0.0.1"
PATIENCE_SECONDS = 120


def _free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(f"Port {port} is in use; choose another with --mlflow-port or --zenml-port.") from error


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _executable(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise HematoVisionError(f"{name} is not installed beside {sys.executable}; run `make install` again.")
    return found


def _await(name: str, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise HematoVisionError(f"{name} did not start; its log is {log}.")
        time.sleep(0.2)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def _arguments(name: str, port: int, home: Home) -> list[str]:
    where = ["--port", str(port)]
    if name == "zenml":
        return [_executable("zenml"), "login", "--local", "--blocking", "--ip-address", HOST, *where]
    stores = ["--backend-store-uri", home.tracking_uri, "--artifacts-destination", home.artifacts.as_uri()]
    return [_executable("mlflow"), "server", "--host", HOST, *where, *stores, "--workers", "1"]


def serve(mlflow_port: int, zenml_port: int, config: Path | None, *, as_json: bool) -> None:
    """Start both, say where they are, and stop them on Ctrl-C or when told to end."""
    for told in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs are born deaf to the first
        signal.signal(told, signal.default_int_handler)
    with command(as_json) as output, ExitStack() as stack:
        from hematovision.config import load_config

        load_config(config)
        home = locate_home()
        ports = {"mlflow": mlflow_port, "zenml": zenml_port}
        processes = {}
        for name, port in ports.items():
            _free(port)
            log = home.root / f"{name}-ui.log"
            stream = stack.enter_context(log.open("wb"))
            process = subprocess.Popen(
                _arguments(name, port, home), stdout=stream, stderr=stream, stdin=subprocess.DEVNULL, env=os.environ
            )
            stack.callback(_stop, process)
            processes[name] = (process, port, log)
        for name, (process, port, log) in processes.items():
            _await(name, process, port, log)
        document = {name: f"http://{HOST}:{port}" for name, (_, port, _) in processes.items()}
        output.result(document, _show)
        for process, _, _ in processes.values():
            process.wait()


def _show(console: Any, document: Any) -> None:
    console.print(f"MLflow (models, runs, reports)      {document['mlflow']}")
    console.print(f"ZenML (pipelines, steps, lineage)   {document['zenml']}")
    console.print("Ctrl-C stops both.", style="dim")
