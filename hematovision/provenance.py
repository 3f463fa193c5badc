"""What software made a result: commit, versions, machine."""

import hashlib
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from hematovision import __version__
from hematovision.home import PROJECT

LOCK = PROJECT / "requirements" / "lock.txt"

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


def lock_digest() -> str:
    """SHA-256 of requirements/lock.txt; `unknown` where the package was installed without it."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.is_file() else "unknown"


class Hardware(BaseModel):
    """The machine of a run; `memory` in bytes, None where the system does not say; `accelerators` by name."""

    model_config = ConfigDict(frozen=True)

    architecture: str
    system: str
    release: str
    processor: str
    cores: int
    memory: int | None
    accelerators: list[str]


class Provenance(BaseModel):
    """What software and machine made a result; logged with every registered version as `provenance.json`.

    Attributes:
        lock_digest: SHA-256 of requirements/lock.txt. library_digest: of this package's own source and the versions
            below it, which tells what ran where the commit does not: in a dirty tree.
        dirty: whether tracked files differed from the commit; None outside a git repository.
        libraries: versions of Python, this package and the libraries a result depends on.
        bill_of_materials: SHA-256 of `sbom.cdx.json`, which lists everything installed.
    """

    model_config = ConfigDict(frozen=True)

    format: int = 1
    git_commit: str
    dirty: bool | None
    lock_digest: str
    library_digest: str
    libraries: dict[str, str]
    hardware: Hardware
    bill_of_materials: str


def provenance(bill_of_materials: str) -> Provenance:
    """The record of this process; takes the text of the bill of materials."""
    commit, _, dirty = git_commit().partition("+")
    return Provenance(
        git_commit=commit,
        dirty=None if commit == "unknown" else bool(dirty),
        lock_digest=lock_digest(),
        library_digest=library_digest(),
        libraries=software_versions(),
        hardware=hardware(),
        bill_of_materials=hashlib.sha256(bill_of_materials.encode()).hexdigest(),
    )


def hardware() -> Hardware:
    """The machine this process runs on."""
    return Hardware(
        architecture=platform.machine(),
        system=platform.system(),
        release=platform.release(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory=_memory(),
        accelerators=_accelerators(),
    )


def machine() -> dict[str, str]:
    """What a result may depend on of the machine, in words."""
    found = hardware()
    return {"architecture": found.architecture, "system": found.system, "cores": str(found.cores)}


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _memory() -> int | None:
    names = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    if not set(names) <= set(getattr(os, "sysconf_names", ())):
        return None
    pages, size = (os.sysconf(name) for name in names)
    return pages * size


def _accelerators() -> list[str]:
    """GPUs that torch sees, where torch is loaded already: a version comes from a process that trained with it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [str(torch.cuda.get_device_name(number)) for number in range(torch.cuda.device_count())]


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
