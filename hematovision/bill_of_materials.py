"""The bill of materials of the installed software, in CycloneDX (ECMA-424)."""

import hashlib
import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from hematovision.errors import HematoVisionError
from hematovision.home import Home
from hematovision.provenance import lock_digest

_SECONDS = 300


def environment_digest() -> str:
    """SHA-256 over the lock file and over what is installed, name and version each."""
    installed = sorted({f"{one.name.lower()}=={one.version}" for one in distributions()})
    return hashlib.sha256("\n".join([lock_digest(), sys.version, *installed]).encode()).hexdigest()


def bill_of_materials(home: Home) -> str:
    """The installed Python packages with versions and licences, as CycloneDX JSON; made once for an environment.

    Raises:
        HematoVisionError: cyclonedx-bom failed.
    """
    kept = home.root / "bills" / f"{environment_digest()[:32]}.cdx.json"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(f".{kept.name}.{os.getpid()}")
        write_bill(partial, Path(sys.executable))
        partial.replace(kept)
    return kept.read_text(encoding="utf-8")


def write_bill(target: Path, python: Path) -> None:
    """Write the bill of the environment of a Python interpreter.

    It is not validated against the schema: that takes twenty times as long as making it.

    Raises:
        HematoVisionError: cyclonedx-bom failed.
    """
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--no-validate"]
    command += ["--output-format", "JSON", "--output-file", str(target), str(python)]
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stderr", None) or str(error)
        raise HematoVisionError(f"The bill of materials could not be made: {told.strip()[-500:]}") from error
