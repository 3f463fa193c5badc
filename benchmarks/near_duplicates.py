"""Plant altered copies of real cells and count how many the near-duplicate search finds, and what it finds by mistake.

    python benchmarks/near_duplicates.py --data FOLDER [--copies 2] [--json result.json]

Every original gets copies of every kind below, made with Pillow alone (the search itself uses OpenCV). A kind is
searched among all originals and its own copies; pairs of different originals count as false, so the folder should
hold no duplicates of its own.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from rich.console import Console
from rich.table import Table

from hematovision.config import load_config
from hematovision.data.duplicates.search import DuplicatePair, cluster_duplicates, find_duplicates
from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.duplicates.signature import Signature, signature

Change = Callable[[Image.Image, np.random.Generator], Image.Image]
FILLS = ("black", "white", "grey", "reflect", "edge")
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Result:
    """Counts and seconds of one kind; `clustered` also counts copies linked through other copies."""

    kind: str
    planted: int
    found: int
    clustered: int
    false_pairs: int
    images_in_false_pairs: int
    describe_seconds: float
    search_seconds: float


def place(
    image: Image.Image, *, angle: float, zoom: float, shift: tuple[float, float], fill: str, enlarge: bool
) -> Image.Image:
    """Turn (degrees), zoom and shift (fractions of the size) about the centre, with the given fill around."""
    width, height = image.size
    turn = np.deg2rad(angle)
    cosine, sine = float(np.cos(turn)), float(np.sin(turn))
    out = (width, height)
    if enlarge:
        out = (round(width * abs(cosine) + height * abs(sine)), round(width * abs(sine) + height * abs(cosine)))
    border, colour = 0, {"white": (255, 255, 255), "grey": (128, 128, 128)}.get(fill, (0, 0, 0))
    if fill in {"reflect", "edge"}:
        border = min(width, height) - 1
        image = Image.fromarray(np.pad(np.asarray(image), ((border, border), (border, border), (0, 0)), mode=fill))  # type: ignore[call-overload]
    linear = np.array([[cosine, sine], [-sine, cosine]]) / zoom
    middle = np.array([out[0] / 2 + shift[0] * width, out[1] / 2 + shift[1] * height])
    offset = np.array([width / 2 + border, height / 2 + border]) - linear @ middle
    matrix = (*linear[0], offset[0], *linear[1], offset[1])
    return image.transform(out, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor=colour)


def turned(fill: str, *, enlarge: bool) -> Change:
    """A free rotation."""
    return lambda image, rng: place(image, angle=rng.uniform(0, 360), zoom=1, shift=(0, 0), fill=fill, enlarge=enlarge)


def shifted(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Up to a tenth of the size either way."""
    x, y = rng.uniform(-0.1, 0.1, 2)
    return place(image, angle=0, zoom=1, shift=(x, y), fill=str(rng.choice(FILLS)), enlarge=False)


def zoomed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """0.9 to 1.15."""
    zoom = rng.uniform(0.9, 1.15)
    return place(image, angle=0, zoom=zoom, shift=(0, 0), fill=str(rng.choice(FILLS)), enlarge=False)


def reencoded(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """JPEG of quality 40 to 90."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(40, 91)))
    return Image.open(buffer).convert("RGB")


def resized(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """To a longer side of 128, 224 or 299 pixels."""
    side = int(rng.choice([128, 224, 299]))
    factor = side / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.BILINEAR)


def stained(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Mix the optical densities of the channels, as another stain would."""
    density = -np.log((np.asarray(image, np.float64) + 1) / 256)
    mix = np.diag(rng.uniform(0.7, 1.3, 3)) + rng.uniform(-0.1, 0.1, (3, 3))
    return Image.fromarray(np.clip(256 * np.exp(-np.clip(density @ mix, 0, None)) - 1, 0, 255).astype(np.uint8))


def hue_turned(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Any hue."""
    hue, saturation, value = image.convert("HSV").split()
    step = int(rng.integers(256))
    return Image.merge("HSV", (hue.point(lambda h: (h + step) % 256), saturation, value)).convert("RGB")


def recoloured(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """One of brightness, contrast, saturation, grey, hue or stain."""
    changes: list[Change] = [
        lambda i, r: ImageEnhance.Brightness(i).enhance(r.uniform(0.6, 1.35)),
        lambda i, r: ImageEnhance.Contrast(i).enhance(r.uniform(0.6, 1.5)),
        lambda i, r: ImageEnhance.Color(i).enhance(r.uniform(0, 2)),
        lambda i, _: ImageOps.grayscale(i).convert("RGB"),
        hue_turned,
        stained,
    ]
    return changes[int(rng.integers(len(changes)))](image, rng)


def softened(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A light blur or noise."""
    if rng.random() < 0.5:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.5) * max(image.size) / 360))
    pixels = np.asarray(image, np.float64)
    return Image.fromarray(np.clip(pixels + rng.normal(0, rng.uniform(3, 12), pixels.shape), 0, 255).astype(np.uint8))


def combined(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """An augmented training copy: mirrored, turned, zoomed, shifted, recoloured, softened, resized, re-encoded."""
    if rng.random() < 0.5:
        image = ImageOps.mirror(image)
    x, y = rng.uniform(-0.1, 0.1, 2)
    image = place(
        image,
        angle=rng.uniform(0, 360),
        zoom=rng.uniform(0.9, 1.15),
        shift=(x, y),
        fill=str(rng.choice(FILLS)),
        enlarge=bool(rng.random() < 0.25),
    )
    for change, chance in ((recoloured, 0.8), (softened, 0.4), (resized, 0.6), (reencoded, 0.7)):
        if rng.random() < chance:
            image = change(image, rng)
    return image


KINDS: dict[str, Change] = {
    "mirrored": lambda i, r: ImageOps.mirror(i) if r.random() < 0.5 else ImageOps.flip(i),
    "right angle": lambda i, r: i.rotate(90 * int(r.integers(1, 4)), expand=True),
    "turned, black corners": turned("black", enlarge=False),
    "turned, white corners": turned("white", enlarge=False),
    "turned, reflected corners": turned("reflect", enlarge=False),
    "turned, canvas enlarged": turned("black", enlarge=True),
    "turned, enlarged, reflected": turned("reflect", enlarge=True),
    "shifted": shifted,
    "zoomed": zoomed,
    "re-encoded": reencoded,
    "resized": resized,
    "recoloured": recoloured,
    "blurred or noisy": softened,
    "all of it combined": combined,
}


def load(folder: Path, limit: int | None, seed: int) -> list[Image.Image]:
    """Every image under the folder, or `limit` of them."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if limit is not None:
        chosen = np.random.default_rng(seed).permutation(len(files))[:limit]
        files = [files[i] for i in sorted(chosen)]
    return [Image.open(path).convert("RGB") for path in files]


def describe(images: list[Image.Image], settings: DuplicateSettings, workers: int) -> list[Signature]:
    """Signatures, in threads."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda image: signature(np.asarray(image), settings), images))


def count(kind: str, originals: int, copies: int, pairs: list[DuplicatePair], seconds: tuple[float, float]) -> Result:
    """Copy number c of original o sits at originals · (c + 1) + o."""
    total = originals * (copies + 1)
    linked = {(pair.first, pair.second) for pair in pairs}
    clusters = cluster_duplicates(total, pairs)
    wrong = [pair for pair in pairs if pair.first % originals != pair.second % originals]
    planted = range(originals, total)
    return Result(
        kind=kind,
        planted=len(planted),
        found=sum((i % originals, i) in linked for i in planted),
        clustered=sum(clusters[i % originals] == clusters[i] for i in planted),
        false_pairs=len(wrong),
        images_in_false_pairs=len({end for pair in wrong for end in (pair.first, pair.second)}),
        describe_seconds=round(seconds[0], 2),
        search_seconds=round(seconds[1], 2),
    )


def measure(kind: str, images: list[Image.Image], arguments: argparse.Namespace, settings: DuplicateSettings) -> Result:
    """Plant one kind and search for it."""
    change = KINDS.get(kind)
    copies = arguments.copies if change else 0
    planted = [
        change(image, np.random.default_rng([arguments.seed, number, position]))
        for number in range(copies)
        for position, image in enumerate(images)
        if change
    ]
    start = time.perf_counter()
    signatures = describe([*images, *planted], settings, arguments.workers)
    middle = time.perf_counter()
    pairs = find_duplicates(signatures, settings, workers=arguments.workers)
    return count(kind, len(images), copies, pairs, (middle - start, time.perf_counter() - middle))


def table(results: list[Result]) -> Table:
    """The figures for a person."""
    view = Table(title="Near-duplicates found")
    view.add_column("kind of copy", no_wrap=True)
    for heading in ("planted", "found", "clustered", "false", "describe", "search"):
        view.add_column(heading, justify="right", no_wrap=True)
    for r in results:
        shares = [f"{100 * n / r.planted:.1f} %" if r.planted else "–" for n in (r.found, r.clustered)]
        seconds = f"{r.describe_seconds:.1f} s", f"{r.search_seconds:.1f} s"
        view.add_row(r.kind, str(r.planted), *shares, str(r.false_pairs), *seconds)
    return view


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Measure the near-duplicate search on planted copies.")
    parser.add_argument("--data", type=Path, required=True, help="folder of images, searched recursively")
    parser.add_argument("--config", type=Path, help="run configuration whose `duplicates` settings are measured")
    parser.add_argument("--limit", type=int, help="use this many images, chosen by --seed")
    parser.add_argument("--copies", type=int, default=1, help="copies of each kind per original")
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    images = load(arguments.data, arguments.limit, arguments.seed)
    if not images:
        parser.error(f"no images under {arguments.data}: name a folder that holds {', '.join(sorted(SUFFIXES))} files")
    cv2.setNumThreads(1)  # the threads are ours
    settings = load_config(arguments.config).duplicates
    results = [measure(kind, images, arguments, settings) for kind in ("none (originals alone)", *arguments.kinds)]
    Console().print(table(results))
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(r) for r in results], indent=2) + "\n")


if __name__ == "__main__":
    main()
