"""What the server adds to uvicorn: answers that leave in one piece, and cores left for them beside the network."""

import asyncio

import pytest

from hematovision.config import load_config
from hematovision.serving import settings
from hematovision.serving.server import Whole


class Sent(list[bytes]):
    """A transport that notes what it is given."""

    def write(self, data: bytes) -> None:
        self.append(data)

    def close(self) -> None:
        self.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self


def test_what_one_turn_writes_leaves_in_one_piece_and_in_order() -> None:
    sent = Sent()

    async def answer_twice() -> None:
        transport = Whole(sent, asyncio.get_running_loop())
        for _ in range(2):
            transport.write(b"headers ")
            transport.write(b"body")
            await asyncio.sleep(0)

    asyncio.run(answer_twice())
    assert sent == [b"headers body", b"headers body"]


def test_nothing_written_is_lost_by_closing() -> None:
    sent = Sent()

    async def answer_and_close() -> None:
        transport = Whole(sent, asyncio.get_running_loop())
        transport.write(b"last words")
        transport.close()
        assert transport.is_closing()

    asyncio.run(answer_and_close())
    assert sent == [b"last words", b"closed"]


@pytest.mark.parametrize(("cores", "asked", "expected"), [(2, None, 1), (1, None, 1), (16, None, 8), (16, 3, 3)])
def test_the_network_leaves_cores_to_the_rest(
    cores: int, asked: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.os, "cpu_count", lambda: cores)
    serving = load_config(None, {"serving": {"network_threads": asked}}).serving
    assert serving.cores_of_the_network == expected
