"""A team hears of a promotion, and can tell that the message is genuine."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any

import pytest

from hematovision.errors import UsageError
from hematovision.registry import webhooks
from hematovision.registry.versions import CHALLENGER, CHAMPION
from tests.promotion.paper_registry import NAME, Laboratory

SECRET = "a secret of the team"  # noqa: S105 - of a test


@pytest.fixture
def received() -> Iterator[tuple[str, Queue[Any]]]:
    """An address on this machine, and what arrives there."""
    messages: Queue[Any] = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            messages.put((dict(self.headers), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", messages
        server.shutdown()
        thread.join()


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow sends to public https addresses alone; a test has none."""
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http,https")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    monkeypatch.setattr("mlflow.webhooks.delivery._webhook_cache", None)
    monkeypatch.setattr("mlflow.webhooks.delivery._webhook_session", None)
    monkeypatch.delenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", raising=False)


def _signature(headers: dict[str, str], body: bytes) -> str:
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()


@pytest.mark.usefixtures("reachable")
def test_a_promotion_is_told_with_a_signature(laboratory: Laboratory, received: tuple[str, "Queue[Any]"]) -> None:
    address, messages = received
    made = webhooks.set_up_webhook(laboratory.home, "team", address, SECRET, webhooks.EVENTS)
    assert webhooks.list_webhooks(laboratory.home) == [made]
    version = laboratory.register().version
    webhooks.tell_version_created(laboratory.home, NAME, version, "models:/m-1", "run", {"requester": "user:anna"})
    laboratory.approve(version)
    laboratory.promote(version)
    told = []
    while not told or told[-1]["data"].get("alias") != CHAMPION:
        headers, body = messages.get(timeout=30)
        assert headers["X-MLflow-Signature"] == _signature(headers, body)
        told.append(json.loads(body))
    assert told[-1]["data"] == {"name": NAME, "alias": CHAMPION, "version": version}
    assert {"name": NAME, "alias": CHALLENGER, "version": version} in [one["data"] for one in told]
    created = [one["data"] for one in told if one["entity"] == "model_version"]
    assert [(one["version"], one["tags"]) for one in created] == [(version, {"requester": "user:anna"})]
    tags = {(one["data"]["key"], one["data"]["value"]) for one in told if one["entity"] == "model_version_tag"}
    assert ("approvals", "Ben (pathologist), Carla (engineer)") in tags


@pytest.mark.usefixtures("reachable")
def test_setting_up_again_changes_the_webhook_and_a_test_message_arrives(
    laboratory: Laboratory, received: tuple[str, "Queue[Any]"]
) -> None:
    address, messages = received
    webhooks.set_up_webhook(laboratory.home, "team", "https://elsewhere.example/", SECRET, webhooks.EVENTS)
    webhooks.set_up_webhook(laboratory.home, "team", address, SECRET, webhooks.EVENTS[:1])
    assert [(one.url, one.events) for one in webhooks.list_webhooks(laboratory.home)] == [
        (address, [webhooks.EVENTS[0]])
    ]
    assert [one.status for one in webhooks.try_webhooks(laboratory.home)] == [200]
    headers, body = messages.get(timeout=30)
    assert headers["X-MLflow-Signature"] == _signature(headers, body)


def test_only_public_https_addresses_are_taken(laboratory: Laboratory) -> None:
    for address in ("http://team.example/", "https://127.0.0.1/", "ftp://team.example/"):
        with pytest.raises(UsageError, match="cannot be set up"):
            webhooks.set_up_webhook(laboratory.home, "team", address, SECRET, webhooks.EVENTS)
    with pytest.raises(UsageError, match="There is no webhook"):
        webhooks.try_webhooks(laboratory.home)


def test_the_key_that_hides_secrets_is_made_once_and_for_its_owner_alone(
    laboratory: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", raising=False)
    webhooks.prepare_secrets(laboratory.home)
    path = laboratory.home.webhook_key
    key = path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    monkeypatch.delenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY")
    webhooks.prepare_secrets(laboratory.home)
    assert path.read_text() == key
