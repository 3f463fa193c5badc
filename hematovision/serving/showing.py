"""Kept pictures as a browser may be given them: drawn anew from their pixels."""

import asyncio

from fastapi import Response

from hematovision.data.decoding import decode, encode_png
from hematovision.errors import HematoVisionError
from hematovision.serving.access import Key
from hematovision.serving.problems import Refused
from hematovision.serving.service import Service


async def shown(service: Service, key: Key, sha256: str) -> Response:
    """A kept picture as PNG. Refused with 404 where it is not kept, 429 or 503 where too much is asked at once."""

    def draw() -> bytes:
        return encode_png(decode(service.store.picture(sha256), max_pixels=service.settings.limits.pixels))

    async with service.admission.admitted(key.id):
        try:
            drawn = await asyncio.get_running_loop().run_in_executor(service.showing, draw)
        except HematoVisionError as error:
            raise Refused(404, "The picture was not kept, or is gone.") from error
    return Response(drawn, media_type="image/png")
