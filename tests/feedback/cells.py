"""Drawn cells, golden sets of them, and stores over both."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from hematovision.config import load_config
from hematovision.data.decoding import decode, pixel_sha256
from hematovision.data.golden import freeze_golden
from hematovision.data.ingestion import Limits
from hematovision.data.manifest import COMPLETE, SITE
from hematovision.data.store import ImageStore
from hematovision.feedback.store import FeedbackStore, open_feedback
from hematovision.home import Home

CLASSES = ("eosinophil", "lymphocyte", "monocyte", "neutrophil")


def drawn(seed: int, size: int = 128) -> Image.Image:
    """A made-up field: a dark lobed nucleus and pale red cells on a light ground."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    field = np.full((size, size, 3), (240.0, 225.0, 205.0))
    for _ in range(14):
        centre, radius = rng.uniform(0, 1, 2), rng.uniform(0.05, 0.09)
        distance = np.hypot((x - centre[0]) * rng.uniform(0.8, 1.2), y - centre[1]) / radius
        depth = 1 / (1 + np.exp((distance - 1) * 9)) * (1 - 0.4 * np.exp(-(distance**2) * 3))
        field -= depth[..., None] * (30, 60, 50)
    for _ in range(3):
        centre, radius = rng.normal(0.5, 0.07, 2), rng.uniform(0.05, 0.1)
        distance = np.hypot(x - centre[0], (y - centre[1]) * rng.uniform(0.7, 1.3)) / radius
        field -= (1 / (1 + np.exp((distance - 1) * 9)))[..., None] * (75, 95, 40)
    return Image.fromarray(np.clip(field + rng.normal(0, 1.5, field.shape), 0, 255).astype(np.uint8))


def encoded(image: Image.Image, form: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def tiny(number: int) -> bytes:
    """A different small picture for every number; noise, so that none is a copy of another."""
    return encoded(Image.fromarray(np.random.default_rng(number).integers(0, 255, (16, 16, 3), np.uint8)))


def freeze(
    home: Home, pictures: list[bytes], version: str = "v1", site: str | None = None, group: str | None = None
) -> None:
    store = ImageStore(home.images)
    rows = []
    for number, data in enumerate(pictures):
        digest = pixel_sha256(decode(data, max_pixels=10**6))
        said = {"path": f"{number}.png", "label": "monocyte", "sha256": store.put(data), "pixel_sha256": digest}
        slide = group or f"slide-{number}"
        rows.append({**said, "group": slide, "source_group": slide, "split": "golden"})
    blank = {name: 0 if kind != "str" else "" for name, kind in COMPLETE.items()}
    manifest = pd.DataFrame([blank | row for row in rows]).astype(dict(COMPLETE))
    if site is not None:
        manifest[SITE] = site
    freeze_golden(manifest, home.golden, data_version=version, parameters={"seed": 1})


def store_at(root: Path, pictures: str | None = None, database: str | None = None, **feedback: object) -> FeedbackStore:
    config = load_config(None, {"feedback": feedback})
    limits = Limits(config.reading.max_pixels, config.reading.min_side)
    return open_feedback(
        Home(root), database, pictures, settings=config.feedback, duplicates=config.duplicates, limits=limits
    )
