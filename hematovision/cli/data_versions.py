"""`data versions`, `data checkout`, `data push`, `data pull`: the bytes behind every model."""

from pathlib import Path
from typing import Any

from hematovision.cli.data_version_tables import show_checkout, show_moved, show_versions
from hematovision.cli.output import command


def versions(config: Path | None, *, as_json: bool) -> None:
    """List the versions that are kept, and which models learnt from them."""
    with command(as_json) as output:
        from hematovision.config import load_config
        from hematovision.data.versions.keeping import KeptVersions
        from hematovision.data.versions.remote import remote_address
        from hematovision.home import locate_home
        from hematovision.registry.data_usage import models_by_data

        home, settings = locate_home(), load_config(config).data_versions
        used = models_by_data(home)
        kept = [
            {**version.model_dump(exclude={"format"}), "models": used.get(version.version, [])}
            for version in KeptVersions(home.data_versions).all()
        ]
        here = {version["version"] for version in kept}
        lost = [{"version": version, "models": models} for version, models in used.items() if version not in here]
        document = {
            "folder": str(home.data_versions),
            "remote": remote_address(settings, home.data_remote),
            "versions": kept,
            "not_kept": lost,
        }
        output.result(document, show_versions)


def checkout(asked: str, target: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Restore a version to a new folder; what is missing here comes from the remote."""
    with command(as_json) as output:
        from hematovision.config import load_config
        from hematovision.data.versions.keeping import KeptVersions
        from hematovision.data.versions.remote import remote_address, restore_from_anywhere
        from hematovision.home import locate_home
        from hematovision.progress import progress_bar
        from hematovision.registry.data_usage import data_of

        home, settings = locate_home(), load_config(config).data_versions
        kept = KeptVersions(home.data_versions)
        version = kept.find(data_of(home, asked))
        folder = (target or Path(version.name)).absolute()
        address = remote_address(settings, home.data_remote)
        with progress_bar("Restoring") as progress:
            restore_from_anywhere(version, kept, folder, address, settings.options, progress=progress)
        document = {
            "version": version.version,
            "folder": str(folder),
            "files": version.files,
            "size": version.size,
            "cells": version.cells,
            "synthetic": version.synthetic,
        }
        output.result(document, show_checkout)


def push(asked: list[str], config: Path | None, *, as_json: bool) -> None:
    """Copy versions to the remote."""
    _move("push", asked, config, as_json=as_json)


def pull(asked: list[str], config: Path | None, *, as_json: bool) -> None:
    """Copy what is missing or damaged here from the remote."""
    _move("pull", asked, config, as_json=as_json)


def _move(direction: str, asked: list[str], config: Path | None, *, as_json: bool) -> None:
    with command(as_json) as output:
        from hematovision.config import load_config
        from hematovision.data.versions import remote
        from hematovision.data.versions.keeping import KeptVersions
        from hematovision.home import locate_home
        from hematovision.registry.data_usage import data_of

        home, settings = locate_home(), load_config(config).data_versions
        kept = KeptVersions(home.data_versions)
        chosen = [kept.find(data_of(home, name)) for name in asked] if asked else kept.all()
        address = remote.remote_address(settings, home.data_remote)
        move: Any = remote.push if direction == "push" else remote.pull
        moved = move(kept, chosen, address, settings.options)
        output.result({"direction": direction, **moved.model_dump()}, show_moved)
