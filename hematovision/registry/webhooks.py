"""MLflow's signed webhooks, so that a team hears of a candidate, a decision, a promotion.

MLflow's server sends them for what goes through it. Where the registry is a database that we write to ourselves, there
is no server in between, so the same delivery code of MLflow's is called here. A message may be lost with a killed
process: it is news, the ledger is the record.
"""

import os
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from hematovision.errors import UsageError
from hematovision.home import Home
from hematovision.registry.versions import client_of

EVENTS = ("model_version.created", "model_version_alias.created", "model_version_tag.set")
SHORTEST_SECRET = 16
TIMEOUT_SECONDS, RETRIES = "5", "1"


class Webhook(BaseModel):
    """Where messages go; the secret stays in MLflow's database, encrypted."""

    model_config = ConfigDict(frozen=True)

    identity: str
    name: str
    url: str
    events: list[str]
    status: str


class Delivery(BaseModel):
    """How a test message fared; `status` is the HTTP status, None where nobody answered."""

    model_config = ConfigDict(frozen=True)

    name: str
    success: bool
    status: int | None
    says: str


def _direct(home: Home) -> bool:
    return not home.tracking_uri.startswith(("http:", "https:", "databricks"))


def prepare_secrets(home: Home) -> None:
    """Make the key that encrypts webhook secrets, if none is set: MLflow would draw another in every process."""
    if not _direct(home) or os.environ.get("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"):
        return
    from cryptography.fernet import Fernet

    path = home.webhook_key
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
    os.environ["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"] = path.read_text()


def _described(webhook: Any) -> Webhook:
    return Webhook(
        identity=webhook.webhook_id,
        name=webhook.name,
        url=webhook.url,
        events=sorted(str(event) for event in webhook.events),
        status=str(webhook.status),
    )


def list_webhooks(home: Home) -> list[Webhook]:
    """All webhooks of the registry."""
    prepare_secrets(home)
    client, token, found = client_of(home), None, []
    while True:
        page = client.list_webhooks(page_token=token)
        found += [_described(webhook) for webhook in page]
        token = page.token
        if not token:
            return found


def set_up_webhook(home: Home, name: str, url: str, secret: str, events: Sequence[str]) -> Webhook:
    """Create a webhook, or change the one of that name.

    Args:
        secret: signs every message (HMAC-SHA256, header `X-MLflow-Signature`).

    Raises:
        UsageError: MLflow refuses the address, such as one that is not https or inside a private network.
    """
    prepare_secrets(home)
    from mlflow.exceptions import MlflowException

    client = client_of(home)
    present = next((one for one in list_webhooks(home) if one.name == name), None)
    try:
        if present:
            changed = client.update_webhook(present.identity, url=url, secret=secret, events=list(events))
        else:
            changed = client.create_webhook(name, url, list(events), secret=secret)
    except MlflowException as error:
        raise UsageError(f"The webhook {name} cannot be set up: {error.message}") from error
    return _described(changed)


def try_webhooks(home: Home, name: str | None = None) -> list[Delivery]:
    """Send an example of its first event to each webhook, or to one.

    Raises:
        UsageError: there is no such webhook.
    """
    found = [one for one in list_webhooks(home) if name in (None, one.name)]
    if not found:
        named = f" {name}" if name else ""
        raise UsageError(f"There is no webhook{named}: set one up with `hematovision webhooks setup`.")
    return [_delivery(one, _try(home, one.identity)) for one in found]


def _try(home: Home, identity: str) -> Any:
    """MLflow's own test message; its database store leaves that to the server, so it is sent from here."""
    from mlflow.webhooks.delivery import test_webhook

    client = client_of(home)
    return test_webhook(client.get_webhook(identity)) if _direct(home) else client.test_webhook(identity)


def _delivery(webhook: Webhook, answer: Any) -> Delivery:
    says = answer.error_message or (answer.response_body or "")[:200]
    return Delivery(name=webhook.name, success=answer.success, status=answer.response_status, says=says)


def tell_alias_set(home: Home, name: str, alias: str, version: str) -> None:
    """Say that an alias points at another version now."""
    _tell(home, "model_version_alias", "created", {"name": name, "alias": alias, "version": version})


def tell_tag_set(home: Home, name: str, version: str, key: str, value: str) -> None:
    """Say that a tag of a version says something new."""
    _tell(home, "model_version_tag", "set", {"name": name, "version": version, "key": key, "value": value})


def tell_version_created(home: Home, name: str, version: str, source: str, run_id: str, tags: dict[str, str]) -> None:
    """Say that there is a new version."""
    payload = {"name": name, "version": version, "source": source, "run_id": run_id, "tags": tags, "description": None}
    _tell(home, "model_version", "created", payload)


def _tell(home: Home, entity: str, action: str, payload: dict[str, Any]) -> None:
    if not _direct(home):
        return
    os.environ.setdefault("MLFLOW_WEBHOOK_REQUEST_TIMEOUT", TIMEOUT_SECONDS)
    os.environ.setdefault("MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES", RETRIES)
    from mlflow.entities.webhook import WebhookEvent
    from mlflow.webhooks.delivery import deliver_webhook

    store = client_of(home)._get_registry_client().store
    message: Any = payload  # MLflow's own shapes, by event
    deliver_webhook(event=WebhookEvent(entity, action), payload=message, store=store)
