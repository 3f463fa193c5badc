"""`serve`, `keys`: the service in the foreground, and who may ask it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hematovision.cli.output import Output, command
from hematovision.cli.service_tables import show_key, show_keys, show_revoked, show_service

if TYPE_CHECKING:
    from hematovision.config import RunConfig
    from hematovision.serving.access import Role


def serve(
    config: Path | None, *, model: str | None, shadow: str | None, host: str | None, port: int | None, as_json: bool
) -> None:
    """Load and verify, listen, say where; ends on SIGTERM or Ctrl-C, after the requests being worked on."""
    with command(as_json) as output:
        from hematovision.config import load_config

        asked = {"model": model, "shadow": shadow, "host": host, "port": port}
        changes = {"serving": {name: value for name, value in asked.items() if value is not None}}
        _serve(load_config(config, changes), output)


def _serve(settings: "RunConfig", output: Output) -> None:
    from hematovision.errors import HematoVisionError
    from hematovision.home import locate_home
    from hematovision.ledger import open_ledger
    from hematovision.monitoring.history import open_history
    from hematovision.registry.feedback_store import feedback_of
    from hematovision.serving.access import Doorkeeper, open_keys
    from hematovision.serving.application import create_app
    from hematovision.serving.champion import Resolver
    from hematovision.serving.engine import Engine
    from hematovision.serving.metrics import Metrics
    from hematovision.serving.server import Server, log_to_stderr

    log_to_stderr()
    home, serving, database = locate_home(), settings.serving, settings.records.database
    keys, metrics = open_keys(home, database), Metrics()
    store = feedback_of(home, settings)
    uri = serving.model or f"models:/{settings.registry.model_name}@champion"
    resolve = Resolver(home, open_ledger(home, database))
    engine = Engine(
        home,
        uri,
        resolve=resolve,
        shadow=serving.shadow,
        runtime=serving.runtime,
        threads=serving.cores_of_the_network,
        metrics=metrics,
    )
    engine.start()
    doorkeeper = Doorkeeper(keys, fresh_seconds=serving.key_seconds)
    app = create_app(home, serving, engine, store, doorkeeper, metrics, open_history(home, database))

    def tell(address: str) -> None:
        document = {
            "address": address,
            "model": engine.current.reference,
            "digest": engine.current.digest,
            "shadow": engine.shadow.reference if engine.shadow else None,
            "keys": len(keys.standing()),
        }
        output.result(document, show_service)

    server = Server(app, serving, tell)
    server.run()
    if not output.told:
        raise HematoVisionError(f"The service could not listen on {serving.host}:{serving.port}; is the port in use?")


def add_key(name: str, role: "Role", config: Path | None, *, as_json: bool) -> None:
    """Make a key and show it, once."""
    with command(as_json) as output:
        made, text = _keys(config).add(name, role)
        output.result({**made.model_dump(), "key": text}, show_key)


def list_keys(config: Path | None, *, as_json: bool) -> None:
    """Show keys without their texts."""
    with command(as_json) as output:
        output.result({"keys": [key.model_dump() for key in _keys(config).list()]}, show_keys)


def revoke_key(key_id: str, config: Path | None, *, as_json: bool) -> None:
    """End a key."""
    with command(as_json) as output:
        output.result(_keys(config).revoke(key_id).model_dump(), show_revoked)


def _keys(config: Path | None) -> Any:
    from hematovision.config import load_config
    from hematovision.home import locate_home
    from hematovision.serving.access import open_keys

    return open_keys(locate_home(), load_config(config).records.database)
