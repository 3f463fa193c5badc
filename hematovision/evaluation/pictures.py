"""Small pictures of cells, carried inside a page as data URIs."""

import base64
import io
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Load = Callable[[str], NDArray[np.uint8]]


class Picture(BaseModel):
    """A thumbnail (`src`, a JPEG data URI of width x height pixels) and the path of its cell."""

    model_config = ConfigDict(frozen=True)

    src: str
    path: str
    width: int
    height: int


def picture(image: NDArray[np.uint8], path: str, *, side: int, quality: int) -> Picture:
    """A JPEG thumbnail of an H x W x 3 uint8 image, its longer side at most `side` pixels; it is never enlarged."""
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=quality, optimize=True)
    src = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(src=src, path=path, width=small.width, height=small.height)


def contact_sheet(
    rows: pd.DataFrame, load: Load, *, per_class: int, side: int, quality: int, seed: int
) -> dict[str, list[Picture]]:
    """Up to `per_class` random cells of every label, from as many different groups as there are.

    Args:
        rows: manifest rows; `label`, `group`, `path` and `sha256` are read.
        load: gives the RGB image of a sha256.
        per_class, side, quality: how many, how large (pixels) and with which JPEG quality.
        seed: seed of the generator that draws the cells.
    """
    rng = np.random.default_rng(seed)
    sheet: dict[str, list[Picture]] = {}
    for name, cells in rows.sort_values("path").groupby("label", sort=True):
        shuffled = cells.iloc[rng.permutation(len(cells))]
        turn = shuffled.groupby("group", sort=False).cumcount()
        chosen = shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")[:per_class]]
        sheet[str(name)] = [
            picture(load(str(cell.sha256)), str(cell.path), side=side, quality=quality) for cell in chosen.itertuples()
        ]
    return sheet
