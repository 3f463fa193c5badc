"""What is counted when the service is asked, and what a measured share may be called."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hematovision.data.store import ImageStore
from hematovision.rehearsal.client import Client, Tally
from hematovision.rehearsal.heartbeat import Heartbeat
from hematovision.rehearsal.measuring import measure
from hematovision.rehearsal.story import WentWrong

Answering = Callable[[str, bytes], tuple[int, dict[str, Any]]]


@contextmanager
def _service(answering: Answering) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code, document = answering(self.path, body)
            text = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def _answer(label: str, version: str = "1") -> tuple[int, dict[str, Any]]:
    return 200, {"model": {"version": version}, "predictions": [{"id": "p", "label": label}]}


def _cells(store: ImageStore) -> pd.DataFrame:
    pictures = {b"first picture": "blast", b"second picture": "blast", b"third picture": "monocyte"}
    rows = [
        {"sha256": store.put(data), "label": label, "group": f"g{number}", "source_group": "ward 3 (left)"}
        for number, (data, label) in enumerate(pictures.items())
    ]
    return pd.DataFrame(rows)


def test_requests_without_an_answer_are_counted_and_never_sent_again() -> None:
    tally, seen = Tally(), list[str]()

    def answering(path: str, _: bytes) -> tuple[int, dict[str, Any]]:
        seen.append(path)
        return (503, {"detail": "busy"}) if len(seen) == 2 else _answer("blast", "1" if len(seen) < 3 else "2")

    with _service(answering) as address:
        client = Client(address, "key", tally, patience=10)
        answers = [client.predict(b"picture", "site-b") for _ in range(3)]
        client.close()
    gone = Client(address, "key", tally, patience=10)
    assert gone.predict(b"picture", "site-b") is None
    gone.close()
    assert [answer is None for answer in answers] == [False, True, False]
    assert (tally.requests, len(tally.dropped), len(seen)) == (4, 2, 3)
    assert tally.dropped[0].startswith("503") and tally.dropped[1].startswith("ConnectError")
    assert tally.versions == ["1", "2"]


def test_the_heartbeat_asks_until_it_is_stopped() -> None:
    tally, enough = Tally(), threading.Event()

    def answering(_: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if tally.requests >= 5:
            enough.set()
        return _answer("blast")

    with _service(answering) as address:
        beat = Heartbeat(Client(address, "key", tally, patience=10), [b"one", b"two"], "site-a", 0.001)
        beat.start()
        assert enough.wait(20)
        beat.stop()
        stopped = tally.requests
    assert tally.requests == stopped >= 5 and not tally.dropped


def test_a_share_is_measured_on_all_its_cells(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    cells, paths = _cells(store), list[str]()

    def answering(path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        paths.append(path)
        return _answer("monocyte" if b"second" in body or b"third" in body else "blast")

    with _service(answering) as address:
        client = Client(address, "key", Tally(), patience=10)
        told = measure(client, cells, store, "site-b held out", "1", confidence=0.95)
        client.close()
    assert told.n == 3 and told.accuracy.value == pytest.approx(2 / 3)
    assert told.accuracy.low < 2 / 3 < told.accuracy.high
    assert all("slide=ward+3+-left-" in path for path in paths), "a slide is named as the service takes it"


@pytest.mark.parametrize(
    ("third", "words"), [((503, {}), "3 held-out cells 2 were answered"), (_answer("blast", "2"), "by version 1, 2")]
)
def test_a_share_that_was_not_answered_by_one_version_is_no_measurement(
    third: tuple[int, dict[str, Any]], words: str, tmp_path: Path
) -> None:
    store = ImageStore(tmp_path)
    cells = _cells(store)
    with _service(lambda _, body: third if b"third" in body else _answer("blast")) as address:
        client = Client(address, "key", Tally(), patience=10)
        with pytest.raises(WentWrong, match=words):
            measure(client, cells, store, "site-b held out", "1", confidence=0.95)
        client.close()


def test_a_cell_that_must_not_be_corrected_is_told_apart_from_a_failure() -> None:
    replies = iter([(409, {"detail": "golden"}), (500, {"detail": "broken"})])
    with _service(lambda *_: next(replies)) as address:
        client = Client(address, "key", Tally(), patience=10)
        assert client.correct("p", "blast") is None
        with pytest.raises(WentWrong, match="500"):
            client.correct("p", "blast")
        client.close()
