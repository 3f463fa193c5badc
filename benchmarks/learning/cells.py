"""The cells all contestants share: read and grouped as a run reads them, a fold of them left out each round."""

import hashlib
from pathlib import Path

import pandas as pd

from benchmarks.learning.entry import write_cells
from hematovision.config import RunConfig, data_path
from hematovision.data.ingestion import Limits
from hematovision.data.manifest import DEVELOPMENT
from hematovision.data.pin import pin_embedded
from hematovision.data.preparation import prepare
from hematovision.data.splits import deal_folds, validation_split
from hematovision.data.store import ImageStore
from hematovision.home import CONFIGS
from hematovision.learning.folds import resolve_inputs
from hematovision.progress import progress_bar

FOLDS = 5


def read(config: RunConfig, store: ImageStore, limit: int | None) -> pd.DataFrame:
    """Grouped cells with a fold each, at most `limit` of them, as many of each class; what repeats is kept once."""
    path = data_path(config)
    if config.data == "synthetic":
        with progress_bar("Drawing cells") as progress:
            pin_embedded(path, config.synthetic, CONFIGS / "scanners.yaml", progress=progress)
    prepared = prepare(
        path,
        store,
        limits=Limits(config.reading.max_pixels, config.reading.min_side),
        voc_margin=config.reading.voc_margin,
        duplicates=config.duplicates,
        workers=config.reading.workers,
        bar=progress_bar,
    )
    cells = _fewer(prepared.manifest.drop_duplicates("sha256", ignore_index=True), limit)
    return deal_folds(cells.assign(split=DEVELOPMENT), folds=FOLDS, seed=config.seed)


def _fewer(cells: pd.DataFrame, limit: int | None) -> pd.DataFrame:
    """The cells whose hashes come first in each class: the same ones whatever the order of rows."""
    if limit is None:
        return cells
    order = cells["sha256"].map(lambda text: hashlib.sha256(text.encode()).hexdigest())
    share = max(1, limit // cells["label"].nunique())
    chosen = cells.assign(order=order).sort_values("order").groupby("label").head(share)
    return chosen.drop(columns="order").sort_values("path", ignore_index=True)


def pixels(cells: pd.DataFrame, config: RunConfig) -> int:
    """The side of the network's input that a run would choose for these cells."""
    return int(resolve_inputs(cells, config.learning).backbone.image_size)


def write_round(cells: pd.DataFrame, store: ImageStore, number: int, config: RunConfig, table: Path) -> None:
    """The sides of one round as CSV: a fold for the test, a grouped share of the rest for validation."""
    test = cells["fold"] == number % FOLDS
    fraction = config.learning.training.validation_fraction
    fitted, held_out = validation_split(cells[~test], fraction=fraction, seed=config.seed + number)
    side = pd.Series("test", index=cells.index)
    side[fitted.index], side[held_out.index] = "training", "validation"
    rows = cells.assign(side=side, file=[str(store.path(sha256).resolve()) for sha256 in cells["sha256"]])
    columns = ["file", "sha256", "label", "group", "side"]
    write_cells(table, [dict(zip(columns, row, strict=True)) for row in rows[columns].astype(str).to_numpy()])
