"""Decoding: every kind of image that is taken, every kind of damage that is named, and nothing large ever unpacked."""

import struct
import subprocess
import sys
import warnings
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hematovision.data.decoding import decode, encode_png, pixel_sha256
from hematovision.errors import UnreadableImage

CAP = 1_000_000


def cell(height: int = 40, width: int = 60) -> np.ndarray:
    """A picture without symmetry: every flip, turn and swap of colours changes it."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 255 // height, columns * 255 // width, (rows * columns) % 256], axis=2).astype(np.uint8)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def png(width: int, height: int, *, bits: int, colour: int, rows: bytes) -> bytes:
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, colour, 0, 0, 0])
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 1)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_a_lossless_file_gives_back_its_pixels(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    image = decode(encoded(Image.fromarray(cell()), kind, **options), max_pixels=CAP)
    assert image.dtype == np.uint8
    assert image.flags.writeable
    np.testing.assert_array_equal(image, cell())


def test_a_jpeg_gives_nearly_its_pixels() -> None:
    smooth = cell()
    smooth[:, :, 2] = 90
    image = decode(encoded(Image.fromarray(smooth), "JPEG", quality=98, subsampling=0), max_pixels=CAP)
    assert np.abs(image.astype(int) - smooth).mean() < 2


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_a_compressed_tiff_is_read(compression: str) -> None:
    data = encoded(Image.fromarray(cell()), "TIFF", compression=compression)
    np.testing.assert_array_equal(decode(data, max_pixels=CAP), cell())


def test_a_grey_image_gets_three_equal_channels() -> None:
    grey = cell()[:, :, 0]
    image = decode(encoded(Image.fromarray(grey), "PNG"), max_pixels=CAP)
    np.testing.assert_array_equal(image, np.stack([grey] * 3, axis=2))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_the_whole_range_of_16_bits_maps_onto_8(kind: str) -> None:
    levels = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    image = decode(encoded(Image.fromarray(levels), kind), max_pixels=CAP)
    np.testing.assert_array_equal(image[:, :, 0], levels // 256)
    assert (image.min(), image.max()) == (0, 255)


def test_16_bit_colour_is_scaled_as_16_bit_grey_is() -> None:
    levels = np.linspace(0, 65535, 400).astype(">u2").reshape(20, 20)
    rows = b"".join(b"\0" + np.repeat(row, 3).tobytes() for row in levels)
    image = decode(png(20, 20, bits=16, colour=2, rows=rows), max_pixels=CAP)
    np.testing.assert_array_equal(image[:, :, 1], levels // 256)


def test_32_bit_samples_are_refused_as_their_range_is_unknown() -> None:
    data = encoded(Image.fromarray(np.ones((10, 10), np.float32)), "TIFF")
    with pytest.raises(UnreadableImage, match="32-bit"):
        decode(data, max_pixels=CAP)


def test_transparency_is_laid_on_white() -> None:
    rgba = np.zeros((10, 10, 4), np.uint8)
    rgba[:5, :, 3] = 255
    rgba[5:, :5, 3] = 51
    image = decode(encoded(Image.fromarray(rgba), "PNG"), max_pixels=CAP)
    assert [tuple(image[0, 0]), tuple(image[9, 0]), tuple(image[9, 9])] == [(0,) * 3, (204,) * 3, (255,) * 3]


@pytest.mark.parametrize("transparent", [False, True])
def test_a_palette_is_looked_up(transparent: bool) -> None:
    picture = Image.new("P", (10, 10), 1)
    picture.putpalette([0, 0, 0, 200, 30, 60])
    data = encoded(picture, "PNG", **({"transparency": 1} if transparent else {}))
    assert tuple(decode(data, max_pixels=CAP)[5, 5]) == ((255, 255, 255) if transparent else (200, 30, 60))


def test_cmyk_becomes_rgb() -> None:
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    red, green, blue = decode(data, max_pixels=CAP)[8, 8]
    assert red > 240
    assert max(green, blue) < 15


def test_the_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn
    data = encoded(Image.fromarray(cell()), "PNG", exif=exif)
    np.testing.assert_array_equal(decode(data, max_pixels=CAP), np.rot90(cell(), k=-1))


def test_the_first_of_several_frames_is_taken() -> None:
    first, second = Image.fromarray(cell()), Image.new("RGB", (60, 40), "red")
    data = encoded(first, "TIFF", save_all=True, append_images=[second])
    np.testing.assert_array_equal(decode(data, max_pixels=CAP), cell())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"not a picture,\nbut a text\n", r"not an image \(it looks like text\)"),
        (bytes(range(200, 256)), "not an image: the file is no JPEG"),
        (b"GIF89a" + bytes(range(256)), "not an image: the file is no JPEG"),
        (b"BM, said the text that was called a bitmap" * 3, "the file"),
        (b"\xff\xd8\xff", "the file ends early"),
        (b"\x89PNG\r\n\x1a\n", "the file ends early"),
        (b"RIFF\xff\0\0\0WEBPVP8L", "the file ends early"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason):
        decode(data, max_pixels=CAP)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_that_ends_early_is_refused(kind: str, share: float) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(UnreadableImage, match="ends early" if kind != "TIFF" else "ends early|damaged"):
        decode(data[: int(len(data) * share)], max_pixels=CAP)


def test_a_damaged_file_is_told_from_one_that_ends_early() -> None:
    data = bytearray(encoded(Image.fromarray(cell()), "PNG"))
    data[60:70] = b"\xff" * 10
    with pytest.raises(UnreadableImage, match="damaged"):
        decode(bytes(data), max_pixels=CAP)


def test_sizes_are_limited_on_both_sides() -> None:
    data = encode_png(cell(40, 60))
    assert decode(data, max_pixels=2400, min_side=40).shape == (40, 60, 3)
    with pytest.raises(UnreadableImage, match="60×40 = 2,400 pixels, more than the limit of 2,399"):
        decode(data, max_pixels=2399)
    with pytest.raises(UnreadableImage, match="60×40 pixels; its shorter side needs at least 41"):
        decode(data, max_pixels=2400, min_side=41)


@pytest.mark.parametrize("width", [12_000, 20_000])  # Pillow would warn of the first and raise at the second
def test_a_large_header_raises_no_warning_of_pillows(width: int) -> None:
    data = png(width, width, bits=1, colour=0, rows=b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnreadableImage, match=f"{width:,}×{width:,}"):
            decode(data, max_pixels=50_000_000)


def test_a_small_tiff_with_huge_tiles_is_refused() -> None:
    lzw, grey, place = 5, 1, 8
    tags = {256: 32, 257: 32, 258: 8, 259: lzw, 262: grey, 277: 1, 322: 60_000, 323: 60_000, 324: place, 325: 4}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    data = b"II*\0" + struct.pack("<IH", place, len(tags)) + entries + bytes(4)
    with pytest.raises(UnreadableImage, match="tiles"):
        decode(data, max_pixels=CAP)


BOMB = """
import re, sys
from hematovision.data.decoding import decode
from hematovision.errors import UnreadableImage
try:
    decode(open(sys.argv[1], 'rb').read(), max_pixels=50_000_000)
except UnreadableImage as error:
    peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())
    print(int(peak[1]) // 1024, error)
"""


def webp_bomb() -> bytes:
    """An animation of one small frame on a canvas of 13,000×13,000."""
    frame = encoded(Image.new("RGB", (8, 8)), "WEBP", lossless=True)[12:]
    side, small = (13_000 - 1).to_bytes(3, "little"), (8 - 1).to_bytes(3, "little")
    place = bytes(6) + small + small + bytes(4)
    chunks = {b"VP8X": b"\x02\0\0\0" + side + side, b"ANIM": bytes(6), b"ANMF": place + frame}
    body = b"WEBP" + b"".join(name + len(data).to_bytes(4, "little") + data for name, data in chunks.items())
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def png_bomb() -> bytes:
    """50 MB of nothing in 200 KB; 1.2 GB as RGB."""
    return png(20_000, 20_000, bits=1, colour=0, rows=bytes(20_000 * 2_501))


@pytest.mark.parametrize("bomb", [png_bomb, webp_bomb])
def test_a_bomb_is_never_unpacked(bomb, tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "bomb"
    file.write_bytes(bomb())
    command = [sys.executable, "-c", BOMB, str(file)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    megabytes, reason = output.stdout.split(maxsplit=1)
    assert "more than the limit of 50,000,000" in reason
    assert int(megabytes) < 300
    assert output.stderr == ""


SEEDS = {
    kind: encoded(Image.fromarray(cell(16, 16)), kind, **({"lossless": True} if kind == "WEBP" else {}))
    for kind in ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
}


@pytest.mark.filterwarnings("ignore")  # Pillow warns of broken metadata as it goes
@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=8))
def test_whatever_the_bytes_only_pixels_or_a_reason_come_out(kind: str, changes: list[tuple[int, int]]) -> None:
    data = bytearray(SEEDS[kind])
    for position, value in changes:
        data[position % len(data)] = value
    try:
        image = decode(bytes(data), max_pixels=CAP)
    except UnreadableImage:
        return
    assert (image.dtype, image.ndim, image.shape[2]) == (np.uint8, 3, 3)
    assert image.shape[0] * image.shape[1] <= CAP


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32))
def test_png_is_lossless(height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode(encode_png(image), max_pixels=CAP), image)


def test_the_pixel_hash_sees_pixels_and_shape_and_not_the_encoding() -> None:
    image = cell()
    again = decode(encoded(Image.fromarray(image), "BMP"), max_pixels=CAP)
    changed = image.copy()
    changed[3, 4, 1] ^= 1
    assert pixel_sha256(again) == pixel_sha256(image) == pixel_sha256(np.asfortranarray(image))
    assert pixel_sha256(changed) != pixel_sha256(image)
    assert pixel_sha256(image.reshape(60, 40, 3)) != pixel_sha256(image)
