"""Copies are found whatever was done to them; different cells, however alike, are left apart."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from hematovision.data.duplicates.search import DuplicatePair, cluster_duplicates, find_duplicates
from hematovision.data.duplicates.settings import DuplicateSettings
from hematovision.data.duplicates.signature import Signature, signature

PBC500 = Path(__file__).parents[2].parent / "shared" / "data" / "pbc500"
SETTINGS = DuplicateSettings(
    working_size=96, smoothing_sigma=0.8, contrast_sigma=6.0, contrast_floor=0.5, fill_tolerance=5,
    spectrum_rings=28, spectrum_angles=64, spectrum_inner=3.0, spectrum_outer=37.5, scale_steps=5,
    anchor_spread=0.2, anchor_radius=0.36, anchor_scales=(1.0, 0.85, 0.72), anchor_rings=16, angular_frequencies=14,
    shortlist=40, min_spectrum_similarity=0.28, clear_spectrum_similarity=0.5, doubtful_per_image=8, hypotheses=3,
    min_alignment=0.5, refine_iterations=10, min_overlap=0.5,
    min_similarity=0.77, min_evidence=7.0, rich_similarity=0.66, rich_evidence=12.5,
)  # fmt: skip


def cell(seed: int, size: int = 160) -> Image.Image:
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
        inside = 1 / (1 + np.exp((np.hypot(x - centre[0], (y - centre[1]) * rng.uniform(0.7, 1.3)) / radius - 1) * 9))
        field -= inside[..., None] * (75, 95, 40)
    return Image.fromarray(np.clip(field + rng.normal(0, 1.5, field.shape), 0, 255).astype(np.uint8))


def red_cell(seed: int, size: int = 100) -> Image.Image:
    """A smooth pale disc that fills its crop, like every other."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size - 0.5
    distance = np.hypot(x * rng.uniform(0.95, 1.05), y * rng.uniform(0.95, 1.05)) / rng.uniform(0.4, 0.45)
    depth = 1 / (1 + np.exp((distance - 1) * 20)) * (1 - rng.uniform(0.2, 0.4) * np.exp(-(distance**2) * 4))
    field = np.array((205.0, 200.0, 195.0)) - depth[..., None] * (25, 50, 45) + rng.normal(0, 2, (size, size, 3))
    return Image.fromarray(np.clip(field, 0, 255).astype(np.uint8))


def reencoded(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def moved(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.transform(
        image.size, Image.Transform.AFFINE, (0.92, 0, 0.09 * width, 0, 0.92, -0.02 * height), Image.Resampling.BICUBIC
    )


COPIES = {
    "identical": lambda i: i,
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "quarter turn": lambda i: i.transpose(Image.Transpose.ROTATE_90),
    "turned, black corners": lambda i: i.rotate(37, Image.Resampling.BICUBIC),
    "turned, white corners": lambda i: i.rotate(201, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255)),
    "turned, enlarged canvas": lambda i: i.rotate(45, Image.Resampling.BICUBIC, expand=True),
    "shifted and zoomed": moved,
    "re-encoded": lambda i: reencoded(i, 40),
    "smaller": lambda i: i.resize((96, 96), Image.Resampling.BILINEAR),
    "larger": lambda i: i.resize((400, 400), Image.Resampling.BICUBIC),
    "brighter": lambda i: ImageEnhance.Brightness(i).enhance(0.7),
    "grey": lambda i: ImageOps.grayscale(i).convert("RGB"),
    "channels swapped": lambda i: Image.merge("RGB", i.split()[::-1]),
    "blurred": lambda i: i.filter(ImageFilter.GaussianBlur(0.8)),
    "mirrored, turned, contrast, re-encoded": lambda i: reencoded(
        ImageEnhance.Contrast(ImageOps.mirror(i).rotate(111, Image.Resampling.BICUBIC)).enhance(0.7), 60
    ),
}


def describe_all(images: list[Image.Image]) -> list[Signature]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda image: signature(np.asarray(image), SETTINGS), images))


@pytest.fixture(scope="module")
def originals() -> list[Image.Image]:
    return [cell(seed) for seed in range(20)]


@pytest.fixture(scope="module")
def original_signatures(originals: list[Image.Image]) -> list[Signature]:
    return describe_all(originals)


@pytest.mark.parametrize("kind", COPIES)
def test_copies_and_only_copies_are_paired(
    kind: str, originals: list[Image.Image], original_signatures: list[Signature]
) -> None:
    copies = describe_all([COPIES[kind](image) for image in originals[:6]])
    pairs = find_duplicates([*original_signatures, *copies], SETTINGS, workers=2)
    assert [(p.first, p.second) for p in pairs] == [(i, len(originals) + i) for i in range(6)]
    assert all(SETTINGS.rich_similarity <= p.similarity <= 1 for p in pairs)


def test_the_transform_is_told(originals: list[Image.Image], original_signatures: list[Signature]) -> None:
    turned = originals[0].rotate(37, Image.Resampling.BICUBIC)
    both = ImageOps.mirror(originals[1]).rotate(90)
    pairs = find_duplicates([*original_signatures, *describe_all([turned, both])], SETTINGS, workers=1)
    words = [p.transform for p in pairs]
    assert words[0] in {"rotated 36°", "rotated 37°", "rotated 38°"}
    assert words[1] == "flipped, rotated 90°"


def test_smooth_look_alikes_are_left_apart() -> None:
    assert find_duplicates(describe_all([red_cell(seed) for seed in range(40)]), SETTINGS, workers=2) == []


def test_tiny_images_are_left_apart() -> None:
    tiny = [cell(seed).crop((30, 30, 130, 130)).resize((28, 28), Image.Resampling.BILINEAR) for seed in range(40)]
    assert find_duplicates(describe_all(tiny), SETTINGS, workers=2) == []


def test_result_does_not_depend_on_workers(original_signatures: list[Signature], originals: list[Image.Image]) -> None:
    every = [*original_signatures, *describe_all([image.rotate(20) for image in originals])]
    assert find_duplicates(every, SETTINGS, workers=1) == find_duplicates(every, SETTINGS, workers=3)


def test_flat_images_pair_with_nothing() -> None:
    flat = [Image.new("RGB", (60, 40), (v, v, v)) for v in (0, 128, 128, 255)]
    assert find_duplicates(describe_all(flat), SETTINGS, workers=1) == []


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_to_compare(count: int, original_signatures: list[Signature]) -> None:
    assert find_duplicates(original_signatures[:count], SETTINGS, workers=1) == []


def test_progress_ends_at_its_total(original_signatures: list[Signature]) -> None:
    calls: list[tuple[int, int]] = []
    every = [*original_signatures, *original_signatures]
    find_duplicates(every, SETTINGS, workers=2, progress=lambda *call: calls.append(call))
    assert calls
    assert calls[-1][0] == calls[-1][1] == len(calls)


def test_the_size_of_an_image_is_free() -> None:
    for shape in ((1, 1), (3, 200), (640, 37)):
        image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        assert np.isfinite(signature(image, SETTINGS).detail).all()


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="H×W×3 uint8"):
        signature(np.zeros((5, 5), np.uint8), SETTINGS)


def test_clusters_are_connected_components_numbered_by_appearance() -> None:
    pairs = [DuplicatePair(1, 4, 0.9, ""), DuplicatePair(4, 5, 0.9, ""), DuplicatePair(2, 3, 0.9, "")]
    assert cluster_duplicates(7, pairs) == [0, 1, 2, 2, 1, 1, 3]
    assert cluster_duplicates(2, []) == [0, 1]


@pytest.mark.skipif(not PBC500.is_dir(), reason="shared/data/pbc500 is not here")
def test_real_cells_and_their_augmented_copies() -> None:
    files = sorted(PBC500.glob("*/*.jpg"))[::4]
    images = [Image.open(file).convert("RGB") for file in files]
    rng = np.random.default_rng(4)
    faded = [ImageEnhance.Color(ImageOps.mirror(image)).enhance(0.3) for image in images[:60]]
    copies = [reencoded(image.rotate(rng.uniform(0, 360)).resize((224, 224)), 50) for image in faded]
    pairs = find_duplicates(describe_all(images + copies), SETTINGS, workers=2)
    assert [(p.first, p.second) for p in pairs] == [(i, len(images) + i) for i in range(60)]
