"""One picture of many cells, side by side, for reports and READMEs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hematovision.errors import UsageError

_CAPTION_SHARE = 0.16
_GAP = 2
_SMALLEST_FONT = 8
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def contact_sheet(
    pictures: Sequence[Path | NDArray[np.uint8]], labels: Sequence[str], *, columns: int, tile: int
) -> Image.Image:
    """A white sheet with `columns` pictures a row, each fitted into a square of `tile` px above its label.

    Args:
        pictures: image files, or arrays (H, W, 3) uint8 RGB; sizes may differ.
        labels: one caption a picture; where all are empty the sheet has no captions.

    Raises:
        UsageError: nothing to show, another number of labels than pictures, or fewer than one column or 16 px.
    """
    if not pictures or len(pictures) != len(labels):
        raise UsageError(f"a contact sheet needs as many labels as pictures, got {len(labels)} for {len(pictures)}")
    if columns < 1 or tile < 16:
        raise UsageError(f"a contact sheet needs at least 1 column of 16 px, got {columns} of {tile} px")
    caption = round(tile * _CAPTION_SHARE) if any(labels) else 0
    across, down = tile + _GAP, tile + caption + _GAP
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * across - _GAP, rows * down - _GAP), "white")
    font = _font(labels, caption, tile)
    pen = ImageDraw.Draw(sheet)
    for position, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left, top = (position % columns) * across, (position // columns) * down
        image = _fitted(picture, tile)
        sheet.paste(image, (left + (tile - image.width) // 2, top + (tile - image.height) // 2))
        pen.text(
            (left + tile // 2, top + tile + caption // 2), _shortened(label, font, tile), "black", font, anchor="mm"
        )
    return sheet


def _fitted(picture: Path | NDArray[np.uint8], tile: int) -> Image.Image:
    if isinstance(picture, Path):
        with Image.open(picture) as stored:
            image = stored.convert("RGB")
    else:
        image = Image.fromarray(picture)
    scale = tile / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def _font(labels: Sequence[str], caption: int, width: int) -> _Font:
    """The largest font of the caption's height in which every label fits, but not too small to read."""
    for size in range(round(caption * 0.7), _SMALLEST_FONT, -1):
        font = ImageFont.load_default(size=size)
        if all(font.getlength(_plain(label)) <= width for label in labels):
            return font
    return ImageFont.load_default(size=_SMALLEST_FONT)


def _plain(label: str) -> str:
    return label.replace("_", " ")


def _shortened(label: str, font: _Font, width: int) -> str:
    text = _plain(label)
    while text and font.getlength(text) > width:
        text = text[:-2].rstrip() + "…" if len(text) > 2 else ""
    return text
