"""Which bytes a run stands on: checked against DVC where a .dvc file pins them, fingerprinted otherwise."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from hematovision.data.sources.tree import walk
from hematovision.data.synthetic.dataset import is_synthetic, write_dataset
from hematovision.data.synthetic.scanner import load_scanners
from hematovision.data.synthetic.settings import SyntheticPlan
from hematovision.data.versioning import DataVersion, ensure_cached, verify_pinned
from hematovision.errors import UsageError
from hematovision.progress import Progress


class DataPin(BaseModel):
    """The data of a run before they are read.

    Attributes:
        path: as opened. fingerprint: changes with any byte or name below the path.
        pinned: what a .dvc file says, and the data were found to be; None without such a file.
        withdrawn: SHA-256 over the images withdrawn so far, '' without any: data read before an erasure are read anew.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    fingerprint: str
    pinned: DataVersion | None
    synthetic: bool
    withdrawn: str = ""


def fingerprint(path: Path) -> str:
    """SHA-256 over the names and bytes of a file, or of all files below a folder."""
    digest = hashlib.sha256()
    for file in sorted(walk(path)) if path.is_dir() else [path]:
        if not file.is_file():
            continue
        digest.update(file.relative_to(path).as_posix().encode(errors="surrogateescape") + b"\0")
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def without(pinned: DataPin, withdrawn: Sequence[str]) -> DataPin:
    """The pin of the same data once these images (SHA-256 each) were withdrawn."""
    if not withdrawn:
        return pinned
    return pinned.model_copy(update={"withdrawn": hashlib.sha256("\n".join(withdrawn).encode()).hexdigest()})


def pin_embedded(folder: Path, plan: SyntheticPlan, scanners: Path, *, progress: Progress | None = None) -> DataPin:
    """The generated set that `<folder>.dvc` pins, written first where a fresh clone has none.

    Raises:
        GateRefused: a file differs from what is pinned; the message names it.
    """
    scanner = load_scanners(scanners)[plan.scanner]
    if not (folder / "manifest.csv").exists():
        write_dataset(plan, folder, scanner=scanner, progress=progress)

    def regenerate(target: Path) -> None:
        write_dataset(plan, target, scanner=scanner)

    version = ensure_cached(folder.with_name(f"{folder.name}.dvc"), regenerate=regenerate)
    return DataPin(path=str(folder), fingerprint=str(version), pinned=version, synthetic=True)


def pin(path: Path) -> DataPin:
    """A user's own data, checked against a .dvc file beside them where there is one.

    Raises:
        UsageError: nothing lies at the path.
        GateRefused: the data are not what their .dvc file pins.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder.")
    dvc_file = path.with_name(f"{path.name}.dvc")
    if dvc_file.is_file():
        version = verify_pinned(dvc_file)
        return DataPin(path=str(path), fingerprint=str(version), pinned=version, synthetic=is_synthetic(path))
    return DataPin(path=str(path), fingerprint=fingerprint(path), pinned=None, synthetic=is_synthetic(path))
