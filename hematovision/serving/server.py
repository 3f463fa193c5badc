"""uvicorn around the application: patient with nobody for ever, silent about queries and headers."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from hematovision.serving.settings import ServingSettings

KEEP_ALIVE_SECONDS = 30


class Whole:
    """A transport that sends what one turn of the event loop writes in one piece, as a server's headers and its answer.

    Two pieces are two system calls, and wake the client before it can use what it got.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send data before the next turn."""
        if not self._waiting:
            self._loop.call_soon(self._send)
        self._waiting.append(data)

    def close(self) -> None:
        """Send what was written, then close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._transport.write(data)


def _protocol(header_seconds: float) -> type[HttpToolsProtocol]:
    class Impatient(HttpToolsProtocol):
        """Closes connections whose headers do not come, and those that go on sending after they were answered."""

        waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(cast(asyncio.Transport, Whole(transport, self.loop)))
            self._expect_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._expect_headers()

        def on_headers_complete(self) -> None:
            self._stop_waiting()
            super().on_headers_complete()

        def on_response_complete(self) -> None:
            if self.cycle.more_body and not self.transport.is_closing():
                self.transport.close()
            super().on_response_complete()

        def _expect_headers(self) -> None:
            self._stop_waiting()
            self.waiting = self.loop.call_later(header_seconds, self.transport.close)

        def _stop_waiting(self) -> None:
            if self.waiting is not None:
                self.waiting.cancel()
                self.waiting = None

    return Impatient


class Server(uvicorn.Server):
    """A uvicorn server that says where it listens, once it does."""

    def __init__(self, app: FastAPI, settings: ServingSettings, told: Callable[[str], None]) -> None:
        self._told = told
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                http=_protocol(settings.limits.header_seconds),
                ws="none",
                access_log=False,  # it would write query strings
                log_config=None,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=settings.limits.connections,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=settings.stop_seconds,
            )
        )

    async def startup(self, sockets: Any = None) -> None:
        """Begin to listen, and tell."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._told(f"http://{f'[{host}]' if ':' in host else host}:{port}")


def log_to_stderr() -> None:
    """Lines with time and level on standard error; libraries speak from warnings on."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    logging.getLogger("hematovision").setLevel(logging.INFO)
