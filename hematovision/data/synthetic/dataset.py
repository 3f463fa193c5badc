"""Plans a synthetic set and writes it as a folder: pictures, manifest.csv, and a note that none of it is real."""

import csv
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hematovision.data.synthetic.draws import Draws
from hematovision.data.synthetic.picture import CELL_CLASSES, draw_cell
from hematovision.data.synthetic.scanner import Scanner
from hematovision.data.synthetic.settings import SyntheticPlan
from hematovision.data.synthetic.smear import SlideLook, draw_slide_look
from hematovision.errors import UsageError

NOTICE = """\
All images in this folder are SYNTHETIC: drawn procedurally, from no patient and no photograph.
They imitate stained blood cells so that the pipeline can be run and tested. They are NOT for diagnostic use and
say nothing about how well a model works on real cells.

Labels and slides (the column `group`) are in manifest.csv.
{plan}
"""


@dataclass(frozen=True)
class PlannedCell:
    """One picture of a plan; slides and cells count from 0."""

    slide: int
    cell_class: str
    index: int

    @property
    def group(self) -> str:
        """The slide's name, such as `slide-03`."""
        return f"slide-{self.slide:02d}"

    @property
    def path(self) -> str:
        """Path inside the set's folder."""
        return f"images/{self.group}/{self.cell_class}-{self.index:03d}.bmp"


def planned_cells(plan: SyntheticPlan) -> list[PlannedCell]:
    """Every picture of the set, slide by slide."""
    return [
        PlannedCell(slide, cell_class, index)
        for slide in range(plan.slides)
        for cell_class in CELL_CLASSES
        for index in range(plan.cells_per_class_per_slide)
    ]


def draw_planned(plan: SyntheticPlan, cell: PlannedCell, scanner: Scanner) -> NDArray[np.uint8]:
    """One picture (image_size, image_size, 3) uint8 RGB of the plan, drawn without any of the others."""
    rng = _stream(plan.seed, cell.slide, CELL_CLASSES.index(cell.cell_class), cell.index)
    look = planned_look(plan, cell.slide, scanner)
    return draw_cell(cell.cell_class, rng, scanner=scanner, look=look, size=plan.image_size)


def planned_look(plan: SyntheticPlan, slide: int, scanner: Scanner) -> SlideLook:
    """The look that all pictures of a slide share."""
    return draw_slide_look(Draws(_stream(plan.seed, slide, len(CELL_CLASSES), 0)), variation=scanner.slide_variation)


def _stream(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def write_dataset(
    plan: SyntheticPlan, folder: Path, *, scanner: Scanner, progress: Callable[[int, int], None] | None = None
) -> int:
    """Write the set to `folder` and return how many pictures it holds.

    `manifest.csv` (path,label,group,split) is written last: where it exists nothing is touched, so a picture altered
    later is left for DVC to find; where it does not, a set cut short is completed. No file is ever replaced by a
    different one. Pictures are uncompressed BMP, whose bytes do not depend on a compressor's version.

    Raises:
        UsageError: the scanner is not the plan's, or the folder holds a set drawn by another plan or an altered file.
    """
    if plan.scanner != scanner.name:
        raise UsageError(
            f"the plan asks for scanner {plan.scanner!r} but was given {scanner.name!r}; pass the preset it names"
        )
    _write_once(folder / "README.txt", NOTICE.format(plan=describe(plan, scanner)).encode())
    cells = planned_cells(plan)
    if (folder / "manifest.csv").exists():
        return len(cells)
    for done, cell in enumerate(cells, start=1):
        _write_once(folder / cell.path, _as_bmp(draw_planned(plan, cell, scanner)))
        if progress is not None:
            progress(done, len(cells))
    _write_once(folder / "manifest.csv", _manifest(plan).encode())
    return len(cells)


def is_synthetic(folder: Path) -> bool:
    """Whether a folder holds a set that `write_dataset` wrote, by the notice beside its pictures."""
    notice = folder / "README.txt"
    return notice.is_file() and notice.read_bytes().startswith(NOTICE.partition("\n")[0].encode())


def describe(plan: SyntheticPlan, scanner: Scanner) -> str:
    """One line that differs whenever the plan or any setting of the scanner does."""
    settings = hashlib.sha256(scanner.model_dump_json(exclude={"description"}).encode()).hexdigest()[:12]
    return (
        f"Seed {plan.seed}; {plan.slides} slides x {len(CELL_CLASSES)} classes x {plan.cells_per_class_per_slide} "
        f"cells; {plan.image_size} px; scanner {scanner.name} (settings {settings})."
    )


def _as_bmp(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="BMP")
    return stream.getvalue()


def _manifest(plan: SyntheticPlan) -> str:
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(("path", "label", "group", "split"))
    rows.writerows((cell.path, cell.cell_class, cell.group, "") for cell in planned_cells(plan))
    return stream.getvalue()


def _write_once(target: Path, data: bytes) -> None:
    """Put the file in place in one step; one that is there already must hold the same bytes."""
    if target.exists():
        if target.read_bytes() != data:
            raise UsageError(
                f"{target}: is not what this plan draws; choose another folder, or delete this one and run again"
            )
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(data)
    partial.replace(target)
