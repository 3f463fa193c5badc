"""What is too much is refused with the reason, and the next good request is answered."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from hematovision.serving.limits import Admission
from hematovision.serving.metrics import Metrics
from hematovision.serving.problems import Refused
from hematovision.serving.settings import LimitSettings
from tests.serving.hostile import GOOD, bomb
from tests.serving.running import LIMITS, Running

PNG = GOOD["image/png"]
AS_PNG = {"Content-Type": "image/png"}


@pytest.fixture(autouse=True)
def _still_answers(service: Running) -> Iterator[None]:
    yield
    with service.client() as client:
        assert client.post("/v1/predictions", content=PNG, headers=AS_PNG).status_code == 200


def connected(service: Running) -> socket.socket:
    host, port = service.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def received(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


def opening(service: Running, *headers: str) -> bytes:
    lines = ["POST /v1/predictions HTTP/1.1", "Host: x", f"Authorization: Bearer {service.keys['predict']}", *headers]
    return "\r\n".join([*lines, "Content-Type: image/png", "", ""]).encode()


def test_a_body_of_announced_size_is_refused(service: Running) -> None:
    with service.client() as client:
        answer = client.post("/v1/predictions", content=bytes(LIMITS["body_bytes"] + 1), headers=AS_PNG)
    assert answer.status_code == 413 and "600,000 bytes" in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_in_chunks_is_cut_off_where_it_grows_too_large(service: Running) -> None:
    def flood() -> Iterator[bytes]:
        for _ in range(25):
            yield bytes(50_000)

    with service.client() as client:
        answer = client.post("/v1/predictions", content=flood(), headers=AS_PNG)
    assert answer.status_code == 413


def test_a_flood_without_end_is_closed(service: Running) -> None:
    with connected(service) as connection:
        connection.sendall(opening(service, "Transfer-Encoding: chunked"))
        chunk, sent = b"c350\r\n" + bytes(50_000) + b"\r\n", 0
        try:
            while sent < 2000:
                connection.sendall(chunk)
                sent += 1
        except OSError:
            pass
    assert sent < 2000, "100 MB were taken"


def test_a_body_that_nobody_may_send_is_not_waited_for(service: Running) -> None:
    with connected(service) as connection:
        connection.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 401")


def test_a_body_that_does_not_come_is_given_up(service: Running) -> None:
    with connected(service) as connection:
        connection.sendall(opening(service, "Content-Length: 1000") + b"\x89PNG")
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 408") and b"within 1 seconds" in answer


def test_headers_that_do_not_come_are_given_up(service: Running) -> None:
    with connected(service) as connection:
        connection.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert received(connection) == b""


def test_more_images_than_the_limit_are_refused(service: Running) -> None:
    with service.client() as client:
        answer = client.post("/v1/predictions", files=[("images", ("x.png", PNG))] * 7)
    assert answer.status_code == 413 and "6 images" in answer.json()["detail"]


def test_pixels_are_counted_before_any_is_decoded(service: Running) -> None:
    with service.client() as client:
        answer = client.post("/v1/predictions", content=bomb(30_000, 30_000), headers=AS_PNG)
        files = [("images", (f"{number}.png", bomb(1000, 900))) for number in range(3)]
        together = client.post("/v1/predictions", files=files)
    assert answer.status_code == 422 and "900,000,000 pixels" in answer.json()["detail"]
    found = together.json()
    assert [item["index"] for item in found["predictions"]] == [0]
    assert all("pixels" in item["reason"] for item in found["errors"]) and len(found["errors"]) == 2


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", PNG, 415),
        ("", PNG, 415),
        ("image/png", b"", 422),
        ("multipart/form-data", PNG, 400),
        ("multipart/form-data; boundary=x", PNG, 400),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422),
    ],
)
def test_what_is_no_upload_is_refused_with_the_reason(service: Running, kind: str, body: bytes, status: int) -> None:
    with service.client() as client:
        answer = client.post("/v1/predictions", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert len(answer.json()["detail"]) > 20


def limits(**changes: int) -> LimitSettings:
    given = {"requests_at_once": 3, "requests_at_once_per_key": 2, "explanations_at_once": 1, "connections": 9}
    return LimitSettings.model_validate({**LIMITS, "answer_seconds": 9, **given, **changes})


def test_one_key_is_kept_from_taking_all_and_all_from_taking_more_than_there_is() -> None:
    async def work() -> list[int]:
        admission, refused = Admission(limits(), Metrics()), list[int]()
        async with admission.admitted("a"), admission.admitted("a"):
            for key in ("a", "b"):
                with pytest.raises(Refused) as told:
                    async with admission.admitted(key), admission.admitted("c"):
                        pass
                refused.append(told.value.status_code)
                assert told.value.headers is not None and "Retry-After" in told.value.headers
        async with admission.admitted("a"), admission.admitted("a"), admission.admitted("b"):
            pass
        return refused

    assert asyncio.run(work()) == [429, 503]
