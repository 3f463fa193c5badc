"""`backbones`: what can be put in the configuration, what it costs, and whether its weights are here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hematovision.cli.backbone_tables import show_backbones
from hematovision.cli.output import command


def _row(name: str) -> dict[str, Any]:
    from hematovision.learning.backbones.catalogue import describe, find_architecture, multiplications
    from hematovision.learning.weights import is_here

    architecture, described = find_architecture(name), describe(name)
    checkpoint = architecture.checkpoint
    return {
        "name": name,
        "library": architecture.library,
        "side": architecture.sides.published,
        "smallest_side": architecture.sides.smallest,
        "fixed_side": architecture.sides.fixed,
        "width": described.width,
        "parameters": described.parameters,
        "macs": multiplications(name),
        "blocks": described.blocks,
        "frozen_blocks": described.frozen_blocks,
        "licence": architecture.licence,
        "weights": {
            "name": architecture.weights,
            "file": checkpoint.files[0] if checkpoint else None,
            "here": bool(checkpoint and is_here(checkpoint)),
            "address": checkpoint.address if checkpoint else None,
        },
    }


def show(names: Sequence[str], config: Path | None, *, as_json: bool) -> None:
    """The networks named, or the configured one and the usual ones."""
    with command(as_json) as output:
        from hematovision.progress import progress_bar

        with progress_bar("Building networks") as report:
            # Nothing but the bar can be shown before torch is here, and that takes seconds.
            report(0, len(names) or 1)
            from hematovision.config import load_config
            from hematovision.learning.backbones.catalogue import LISTED
            from hematovision.learning.weights import hub_folder

            configured = load_config(config).learning.backbone.name
            chosen = list(dict.fromkeys(names or (configured, *LISTED)))
            rows = []
            for position, name in enumerate(chosen):
                report(position, len(chosen))
                rows.append(_row(name))
            report(len(chosen), len(chosen))
        output.result({"backbones": rows, "configured": configured, "folder": str(hub_folder())}, show_backbones)
