"""Uploads of the kind that strangers send, by number: each is the same every time."""

import io
import random
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.serving.small_models import cell

Upload = tuple[str, bytes]
"""A Content-Type and a body."""


def _encoded(form: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(cell(side=48)).save(stream, form)
    return stream.getvalue()


GOOD = {f"image/{form.lower()}": _encoded(form) for form in ("PNG", "JPEG", "TIFF", "BMP", "WEBP")}


def _picture(random: random.Random) -> Upload:
    return random.choice(list(GOOD.items()))


def _flipped(random: random.Random) -> Upload:
    kind, data = _picture(random)
    content = bytearray(data)
    for _ in range(random.randint(1, 30)):
        content[random.randrange(len(content))] = random.randrange(256)
    return kind, bytes(content)


def _truncated(random: random.Random) -> Upload:
    kind, data = _picture(random)
    return kind, data[: random.randrange(1, len(data))]


def _headed(random: random.Random) -> Upload:
    """The header of a picture before bytes that mean nothing."""
    kind, data = _picture(random)
    return kind, data[: random.randrange(4, 40)] + random.randbytes(random.randrange(2000))


def _polyglot(random: random.Random) -> Upload:
    kind, data = _picture(random)
    tail = random.choice([b"<script>alert(1)</script>", b"PK\x03\x04" + bytes(40), b"%PDF-1.4\n", b"#!/bin/sh\nid\n"])
    return kind, random.choice([data + tail, tail + data])


def _wrong_type(random: random.Random) -> Upload:
    kind = random.choice(["image/png", "text/html", "application/json", "image/svg+xml", "", "x" * 300])
    return kind, random.choice([b"", b"{}", b"<svg/>", b"GIF89a" + bytes(30), random.randbytes(300)])


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that stands for many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(min((3 * width + 1) * height, 3_000_000)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _bomb(random: random.Random) -> Upload:
    return "image/png", bomb(random.choice([0, 1, 900, 20_000, 2**31 - 1]), random.choice([1, 1100, 20_000, 2**31 - 1]))


def _form(random: random.Random) -> Upload:
    """Multipart that is cut off, ill-nested, nameless or has too much of something."""
    edge = random.choice(["edge", "e" * 70, "--", "a b"])
    disposition = random.choice(
        [
            'form-data; name="images"; filename="../../etc/passwd"',
            'form-data; name="images"; filename=""',
            'form-data; name="images"',
            "form-data",
            'form-data; name="other"; filename="x"',
            'form-data; name="images"; filename="\\\u202ex.png"',
            "form-data; filename=\"x\"; name*=utf-8''%FF",
        ]
    )
    extra = random.choice(["", "Content-Transfer-Encoding: base64\r\n", "X: " + "y" * 9000 + "\r\n", "A: b\r\n" * 60])
    part = f"--{edge}\r\nContent-Disposition: {disposition}\r\n{extra}\r\n".encode() + _flipped(random)[1] + b"\r\n"
    body = part * random.randint(1, 9) + random.choice([f"--{edge}--\r\n".encode(), b"", b"\r\n--edge\r\n" * 40])
    return f"multipart/form-data; boundary={random.choice([edge, edge, 'other', ''])}", body


def _noise(random: random.Random) -> Upload:
    picture = np.frombuffer(random.randbytes(3 * 40 * 40), np.uint8).reshape(40, 40, 3)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=random.randint(1, 95))
    return "image/jpeg", stream.getvalue()


KINDS: tuple[Callable[[random.Random], Upload], ...] = (
    _flipped,
    _truncated,
    _headed,
    _polyglot,
    _wrong_type,
    _bomb,
    _form,
    _noise,
)


def hostile(number: int) -> Upload:
    """The upload with this number."""
    generator = random.Random(number)
    return KINDS[number % len(KINDS)](generator)
