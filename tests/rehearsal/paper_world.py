"""A service and commands made of paper: they answer in the shapes of the real ones and learn nothing."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMANDS = """
import json, os, sys, time
from pathlib import Path

world, words = Path(os.environ["PAPER_WORLD"]), sys.argv[1:]
with (world / "commands.jsonl").open("a") as log:
    log.write(json.dumps(words) + "\\n")
version = world / "version"


def stand(**told):
    print(json.dumps({"schema": 1, **told}), flush=True)
    (world / "standing").open("a").write(f"{os.getpid()}\\n")
    time.sleep(600)


told = {}
if words[0] == "run":
    golden = {"accuracy": {"value": 0.9}, "n": 30}
    verdict = {"passed": not (world / "fails").exists(), "failed": ["floor.accuracy"], "page": "verdict.html"}
    told = {"model": {"name": "small", "version": "1"}, "golden": golden, "verdict": verdict}
elif words[0] == "serve":
    stand(address=os.environ["PAPER_ADDRESS"], model="small/1")
elif words[:2] == ["schedule", "daemon"]:
    stand(pid=os.getpid())
elif words[:2] == ["reviewers", "key"]:
    told = {"request": "request.json"}
elif words[:2] == ["keys", "add"]:
    told = {"key": words[2]}
elif words[0] == "promote":
    new = version.with_name("version.new")
    new.write_text(words[1].rpartition("/")[2])
    new.replace(version)  # whoever asks meanwhile reads the one or the other, never an empty file
elif words[0] == "monitor":
    drift = version.read_text() == "1" and not (world / "calm").exists()
    signals = [{"name": "brightness", "alarm": drift}, {"name": "contrast", "alarm": False}]
    told = {"n": 9, "drift": drift, "state": "raised" if drift else "cleared", "signals": signals, "report": "r.html"}
print(json.dumps({"schema": 1, **told}))
"""


class PaperService:
    """Knows every cell; version 1 is right at site A only, version 2 everywhere."""

    def __init__(self, world: Path, labels: Mapping[str, str]) -> None:
        self.world, self.labels = world, labels
        self.votes: Counter[str] = Counter()
        self.sites: list[tuple[str, str]] = []
        self.lock = threading.Lock()

    @property
    def version(self) -> str:
        return (self.world / "version").read_text()

    def answer(self, path: str, who: str, body: bytes) -> dict[str, Any]:
        place, _, query = path.partition("?")
        if place == "/v1/model":
            return {"version": self.version}
        if place == "/v1/predictions":
            return self._predict(query, body)
        if place == "/v1/feedback":
            asked = json.loads(body)
            return {"id": asked["prediction_id"], "state": "pending", "label": asked["label"]}
        with self.lock:
            self.votes[place] += 1
            return {"state": "accepted" if self.votes[place] == 2 else "pending", "by": who}

    def _predict(self, query: str, body: bytes) -> dict[str, Any]:
        picture = body.partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
        sha256 = hashlib.sha256(picture).hexdigest()
        site = query.partition("site=")[2].partition("&")[0]
        with self.lock:
            self.sites.append((site, sha256))
        right = site.startswith("site-a") or self.version == "2"
        label = self.labels[sha256] if right else "something else"
        return {"model": {"version": self.version}, "predictions": [{"id": sha256, "label": label}]}


@contextmanager
def serving(service: PaperService) -> Iterator[str]:
    """The address of a paper service."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            who = self.headers["Authorization"].removeprefix("Bearer ")
            text = json.dumps(service.answer(self.path, who, body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_GET(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            self._reply()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
