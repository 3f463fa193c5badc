"""Encoded bytes to pixels, for bytes that come from strangers: sizes are judged by the header, before any decoding."""

import hashlib
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from hematovision.errors import UnreadableImage

Pixels = npt.NDArray[np.uint8]

# Pillow's classes are called directly: Image.open tries every format it knows, and warns of size on its own terms.
_DECODERS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"BM", BmpImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    (b"II+\0", TiffImageFile),
    (b"MM\0+", TiffImageFile),
)
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_TIFF_BITS_PER_SAMPLE, _TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 258, 322, 323


def decode(data: bytes, *, max_pixels: int, min_side: int = 1) -> Pixels:
    """Decode an image file (JPEG, PNG, BMP, TIFF or WebP) into H×W×3 RGB, uint8, 0–255.

    The first frame of several; the EXIF orientation applied; transparency laid on white; grey, palette and CMYK images
    converted; 16-bit samples reduced to their high byte, so that their whole range maps onto 0–255.

    Raises UnreadableImage with the reason where the bytes are no such image, end early, are damaged, have more than
    `max_pixels` pixels (found in the header, nothing is decoded then) or a side shorter than `min_side` pixels.
    """
    picture = _open(data)
    _check_size(picture, max_pixels=max_pixels, min_side=min_side)
    try:
        depth = _depth(picture)
        ImageOps.exif_transpose(picture, in_place=True)
        return _to_rgb(picture, depth)
    except UnreadableImage:
        raise
    except Exception as error:  # damaged bytes surface as whatever a decoder trips over, ZeroDivisionError included
        raise UnreadableImage(_damage(data, error)) from error


def pixel_sha256(image: Pixels) -> str:
    """SHA-256 (hex) of an image's shape and pixels: equal for every lossless encoding of the same picture."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def encode_png(image: Pixels) -> bytes:
    """A PNG file of an H×W grey or H×W×3 RGB uint8 image.

    Run-length coded behind one fixed filter: fast, and no search whose outcome could differ between two processors.
    """
    import cv2

    ordered = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    options = [
        cv2.IMWRITE_PNG_FILTER,
        cv2.IMWRITE_PNG_FILTER_UP,
        cv2.IMWRITE_PNG_STRATEGY,
        cv2.IMWRITE_PNG_STRATEGY_RLE,
    ]
    return cv2.imencode(".png", ordered, options)[1].tobytes()


def largest_file(max_pixels: int) -> int:
    """The most bytes (16-bit RGBA, uncompressed, and 1 MiB besides) a file of `max_pixels` pixels has use for."""
    return 8 * max_pixels + 2**20


def _open(data: bytes) -> ImageFile.ImageFile:
    decoder = _decoder(data)
    try:
        return decoder(BytesIO(data))
    except Image.DecompressionBombError as error:
        raise UnreadableImage(f"the image is too large to decode safely: {error}") from error
    except Exception as error:  # as in decode
        raise UnreadableImage(_damage(data, error)) from error


def _decoder(data: bytes) -> type[ImageFile.ImageFile]:
    if not data:
        raise UnreadableImage("the file is empty (0 bytes)")
    for signature, decoder in _DECODERS:
        if data.startswith(signature):
            return decoder
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    looks = " (it looks like text)" if _is_text(data) else ""
    raise UnreadableImage(f"not an image{looks}: the file is no JPEG, PNG, BMP, TIFF or WebP")


def _is_text(data: bytes) -> bool:
    try:
        return data[:256].decode("ascii").replace("\n", "").replace("\r", "").replace("\t", "").isprintable()
    except UnicodeDecodeError:
        return False


def _check_size(picture: ImageFile.ImageFile, *, max_pixels: int, min_side: int) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        size = f"{width:,}×{height:,} = {width * height:,} pixels"
        raise UnreadableImage(f"the image has {size}, more than the limit of {max_pixels:,}")
    if min(width, height) < min_side:
        raise UnreadableImage(f"the image is {width}×{height} pixels; its shorter side needs at least {min_side}")
    if isinstance(picture, TiffImageFile):  # libtiff makes room for a whole tile, however small the image
        tile = int(picture.tag_v2.get(_TIFF_TILE_WIDTH, 0)) * int(picture.tag_v2.get(_TIFF_TILE_LENGTH, 0))
        if tile > max(max_pixels, 2**16):
            raise UnreadableImage(f"the TIFF has tiles of {tile:,} pixels, more than the limit of {max_pixels:,}")


def _depth(picture: ImageFile.ImageFile) -> int:
    """Bits that carry a value in Pillow's 16-bit modes; a TIFF may use 12 of them."""
    if isinstance(picture, TiffImageFile):
        bits = picture.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (16,))
        return int(bits[0] if isinstance(bits, tuple) else bits)
    return 16


def _to_rgb(picture: Image.Image, depth: int) -> Pixels:
    if picture.mode in _SIXTEEN_BIT:
        grey = (np.asarray(picture).astype(np.uint16) >> (depth - 8)).astype(np.uint8)
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    if picture.mode in ("I", "F"):
        raise UnreadableImage(
            f"the image has 32-bit samples (mode {picture.mode}) of unknown range; save it with 8 or 16"
        )
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        picture = Image.new("RGB", rgba.size, "white")
        picture.paste(rgba, mask=rgba.getchannel("A"))
    return np.array(picture.convert("RGB"))


def _damage(data: bytes, error: Exception) -> str:
    reason = str(error) or type(error).__name__
    state = "the file ends early" if _ends_early(data) or "truncated" in reason.lower() else "the file is damaged"
    return f"{state}: {reason}"


def _ends_early(data: bytes) -> bool:
    if data.startswith(b"\xff\xd8\xff"):
        return not data.rstrip(b"\0\r\n").endswith(b"\xff\xd9")
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data
    if data.startswith(b"BM"):
        return int.from_bytes(data[2:6], "little") > len(data)
    return data.startswith(b"RIFF") and int.from_bytes(data[4:8], "little") + 8 > len(data)
