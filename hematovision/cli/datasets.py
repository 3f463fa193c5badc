"""`data generate`, `data verify`, `data pin`, `data show`."""

from collections import Counter
from pathlib import Path
from typing import Any

from hematovision.cli.output import command


def generate(
    folder: Path,
    config: Path | None,
    *,
    scanner: str | None,
    seed: int | None,
    slides: int | None,
    cells: int | None,
    as_json: bool,
) -> None:
    """Write a synthetic set."""
    with command(as_json) as output:
        from hematovision.config import load_config
        from hematovision.data.synthetic.dataset import write_dataset
        from hematovision.data.synthetic.scanner import load_scanners
        from hematovision.errors import UsageError
        from hematovision.home import CONFIGS
        from hematovision.progress import progress_bar

        asked = {"scanner": scanner, "seed": seed, "slides": slides, "cells_per_class_per_slide": cells}
        plan = load_config(
            config, {"synthetic": {name: value for name, value in asked.items() if value is not None}}
        ).synthetic
        scanners = load_scanners(CONFIGS / "scanners.yaml")
        if plan.scanner not in scanners:
            raise UsageError(f"There is no scanner {plan.scanner!r}; configs/scanners.yaml has {', '.join(scanners)}.")
        with progress_bar("Drawing cells") as progress:
            count = write_dataset(plan, folder, scanner=scanners[plan.scanner], progress=progress)
        document = {"folder": str(folder), "n": count, "scanner": plan.scanner, "seed": plan.seed, "synthetic": True}
        output.result(
            document,
            lambda console, _: console.print(
                f"{count} SYNTHETIC cells of scanner {plan.scanner} in {folder}", soft_wrap=True
            ),
        )


def verify(config: Path | None, *, as_json: bool) -> None:
    """Check the embedded set against data.dvc."""
    with command(as_json) as output:
        from hematovision.config import load_config
        from hematovision.data.pin import pin_embedded
        from hematovision.home import CONFIGS, PROJECT
        from hematovision.progress import progress_bar

        with progress_bar("Checking the data") as progress:
            pinned = pin_embedded(
                PROJECT / "data", load_config(config).synthetic, CONFIGS / "scanners.yaml", progress=progress
            )
        output.result(
            {"path": pinned.path, "version": pinned.fingerprint, "verified": True},
            lambda console, _: console.print(
                f"{pinned.path} is what data.dvc pins ({pinned.fingerprint})", soft_wrap=True
            ),
        )


def pin(path: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Move the `.dvc` file beside a data set to what lies there now."""
    with command(as_json) as output:
        from hematovision.config import data_path, load_config
        from hematovision.data.versioning import move_pin

        place = (path or data_path(load_config(config))).absolute()
        before, now = move_pin(place)
        document = {
            "path": str(place),
            "before": str(before) if before else None,
            "version": str(now),
            "files": now.files,
            "size": now.size,
            "changed": before is None or before.digest != now.digest,
        }
        output.result(document, _show_pin)


def _show_pin(console: Any, document: Any) -> None:
    if not document["changed"]:
        text = f"{document['path']} is what its .dvc file pins already ({document['version']})"
    else:
        text = f"{document['path']}: pinned {document['version']}, before {document['before'] or 'nothing'}"
    console.print(text, markup=False, soft_wrap=True)


def show(path: Path, config: Path | None, *, as_json: bool) -> None:
    """Recognise a layout and count its classes, without decoding."""
    with command(as_json) as output:
        from hematovision.config import load_config
        from hematovision.data.sources import open_source

        reading = load_config(config).reading
        source = open_source(path, voc_margin=reading.voc_margin, max_pixels=reading.max_pixels)
        items = list(source.items())
        document = {
            "path": str(path),
            "layout": str(source.kind),
            "n": len(items),
            "classes": dict(sorted(Counter(item.label for item in items).items())),
            "splits": dict(sorted(Counter(item.split or "" for item in items).items())),
            "groups": len({item.group for item in items if item.group}),
            "ignored": dict(source.ignored),
        }
        output.result(document, _show_layout)


def _show_layout(console: Any, document: Any) -> None:
    from rich.table import Table

    table = Table(title=f"{document['path']}: {document['layout']}, {document['n']} entries", title_justify="left")
    table.add_column("class")
    table.add_column("entries", justify="right")
    for label, count in document["classes"].items():
        table.add_row(label or "(no label)", str(count))
    console.print(table)
    if document["groups"]:
        console.print(f"{document['groups']} groups (slides, patients or photographs)")
    for kind, count in document["ignored"].items():
        console.print(f"ignored: {count} files {kind}", markup=False)
