"""What software made a result: commit, versions, machine."""

import hashlib
import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from hematovision import __version__
from hematovision.home import PROJECT

LIBRARIES = (
    "torch", "torchvision", "openvino", "scikit-learn", "numpy", "opencv-python-headless", "pillow",
    "zenml", "mlflow", "great-expectations", "evidently", "dvc",
)  # fmt: skip


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(PROJECT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def git_commit() -> str:
    """The commit of this checkout, with `+dirty` where tracked files differ from it; `unknown` outside a repository."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return "unknown"
    return commit + ("+dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")


def software_versions() -> dict[str, str]:
    """Versions of Python, this package and the libraries a result depends on."""
    found = {"python": platform.python_version(), "hematovision": __version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> dict[str, str]:
    """Processor architecture, operating system and core count."""
    return {"architecture": platform.machine(), "system": platform.system(), "cores": str(os.cpu_count())}


@cache
def library_digest() -> str:
    """One digest over the source of the library and its steps and over the versions below them."""
    digest = hashlib.sha256(repr(sorted(software_versions().items())).encode())
    for folder in ("hematovision", "steps"):
        for path in sorted((PROJECT / folder).rglob("*")):
            if path.suffix in (".py", ".j2", ".css") and not path.is_relative_to(PROJECT / "hematovision" / "cli"):
                digest.update(path.relative_to(PROJECT).as_posix().encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
