"""How much a client may ask for: bodies by size and time, requests by number, all refused with a reason."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from hematovision.serving.metrics import Metrics
from hematovision.serving.problems import Refused
from hematovision.serving.settings import LimitSettings

_DRAIN_SECONDS, _DRAIN_BODIES = 2.0, 4
CLOSE = {"Connection": "close"}


class Admission:
    """Counts the requests being worked on, of all and of each key."""

    def __init__(self, limits: LimitSettings, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._working: Counter[str] = Counter()

    @asynccontextmanager
    async def admitted(self, key: str) -> AsyncIterator[None]:
        """Work on a request of this key. Refused with 429 for one key's too many, 503 for everybody's."""
        if self._working[key] >= self._limits.requests_at_once_per_key:
            raise Refused(
                429,
                f"This key has {self._working[key]} requests being worked on, its limit; wait for their answers.",
                headers={"Retry-After": "1"},
            )
        if self._working.total() >= self._limits.requests_at_once:
            raise Refused(503, "The service is busy; try again in a moment.", headers={"Retry-After": "1"})
        self._working[key] += 1
        self._metrics.working.inc()
        try:
            yield
        finally:
            self._working[key] -= 1
            self._working += Counter()  # forgets keys at zero
            self._metrics.working.dec()


async def read_body(request: Request, limits: LimitSettings) -> bytes:
    """The whole body of a request, never more of it than the limit in memory.

    Raises:
        Refused: 413 where it is longer than the limit, announced or not; 408 where it takes too long; 400 where the
            client went away.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limits.body_bytes:
        if request.headers.get("expect", "").lower() != "100-continue":
            await _drain(request, limits)
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _collect(request, limits)
    except TimeoutError as error:
        detail = f"The body did not arrive within {limits.body_seconds:g} seconds."
        raise Refused(408, detail, headers=CLOSE) from error
    except ClientDisconnect as error:
        raise Refused(400, "The client went away before its body had arrived.") from error


async def _collect(request: Request, limits: LimitSettings) -> bytes:
    body = bytearray()
    stream = request.stream()
    async for chunk in stream:
        body += chunk
        if len(body) > limits.body_bytes:
            body.clear()
            await stream.aclose()
            await _drain(request, limits)
            raise _too_large(limits)
    return bytes(body)


async def _drain(request: Request, limits: LimitSettings) -> None:
    """Let a client finish that reads no answer before it has sent all; within bounds, for some never finish."""
    left = _DRAIN_BODIES * limits.body_bytes
    try:
        async with asyncio.timeout(min(_DRAIN_SECONDS, limits.body_seconds)):
            more = True
            while more and left > 0:
                message = await request.receive()
                left -= len(message.get("body", b""))
                more = bool(message.get("more_body", False))
    except TimeoutError:
        return


def _too_large(limits: LimitSettings) -> Refused:
    detail = f"The body is larger than the limit of {limits.body_bytes:,} bytes; send fewer images at a time."
    return Refused(413, detail, headers=CLOSE)
