"""`reviewers key|add|list|revoke`: who may decide, by their keys."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hematovision.cli.output import command

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from hematovision.ledger import KeyRequest, Ledger


def _ledger(config: Path | None) -> "Ledger":
    from hematovision.config import load_config
    from hematovision.home import locate_home
    from hematovision.ledger import open_ledger

    return open_ledger(locate_home(), load_config(config).records.database)


def make_key(name: str, path: Path | None, *, without_passphrase: bool, as_json: bool) -> None:
    """A person's own key, made where there is none, and the request to add it."""
    with command(as_json) as output:
        from hematovision.cli.own_key import load_own_key, new_passphrase
        from hematovision.ledger import create_key, key_request, own_key_path
        from hematovision.ledger.keys import fingerprint

        chosen = path or own_key_path()
        made = not chosen.exists()
        if made:
            create_key(chosen, new_passphrase(without=without_passphrase))
        key = load_own_key(chosen)
        request = chosen.with_suffix(".request.json")
        request.write_text(key_request(key, name).model_dump_json(indent=2) + "\n")
        document = {
            "name": name, "key": str(chosen), "made": made, "fingerprint": fingerprint(key), "request": str(request)
        }  # fmt: skip
        output.result(document, _show_key)


def add(
    request: Path, roles: list[str], login: str | None, key: Path | None, config: Path | None, *, as_json: bool
) -> None:
    """Make a person's key known."""
    with command(as_json) as output:
        from hematovision.ledger import add_reviewer, reviewers
        from hematovision.registry.versions import requester

        ledger = _ledger(config)
        read = _request(request)
        named = f"user:{login.removeprefix('user:')}" if login else None
        record = add_reviewer(
            ledger, read, roles, actor=requester(), login=named, administrator=_administrator(ledger, key)
        )
        added = reviewers(ledger)[record.content["fingerprint"]]
        document = {**added.model_dump(), "record": record.number}
        output.result(
            document,
            lambda console, _: console.print(
                f"{escape(added.name)} may decide as {escape(', '.join(added.roles))}; key {added.fingerprint}",
                soft_wrap=True,
            ),
        )


def _request(path: Path) -> "KeyRequest":
    from pydantic import ValidationError

    from hematovision.errors import UsageError
    from hematovision.ledger import KeyRequest

    try:
        return KeyRequest.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise UsageError(f"There is no {path}; `hematovision reviewers key NAME` writes it.") from error
    except (OSError, ValueError, ValidationError, RecursionError) as error:
        raise UsageError(f"{path} is no request as `hematovision reviewers key NAME` writes it.") from error


def _administrator(ledger: "Ledger", key: Path | None) -> "Ed25519PrivateKey | None":
    """The key that signs, where one is named or an administrator has to."""
    from hematovision.cli.own_key import load_own_key

    return load_own_key(key) if key or ledger.keys().administrators() else None


def show(config: Path | None, *, as_json: bool) -> None:
    """Everyone who was ever added."""
    with command(as_json) as output:
        from hematovision.ledger import reviewers

        people = [person.model_dump() for person in reviewers(_ledger(config)).values()]
        administered = any("administrator" in person["roles"] and not person["revoked"] for person in people)
        output.result({"reviewers": people, "administered": administered}, _show_reviewers)


def revoke(who: str, reason: str, key: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Let a key decide nothing from now on."""
    with command(as_json) as output:
        from hematovision.ledger import revoke_reviewer
        from hematovision.registry.versions import requester

        ledger = _ledger(config)
        mark = _fingerprint(ledger, who)
        record = revoke_reviewer(ledger, mark, reason, actor=requester(), administrator=_administrator(ledger, key))
        output.result(
            {"fingerprint": mark, "reason": reason, "record": record.number},
            lambda console, _: console.print(
                f"The key {mark} decides nothing any more; what it signed before stays valid.", soft_wrap=True
            ),
        )


def _fingerprint(ledger: "Ledger", who: str) -> str:
    """The valid key that a name or the beginning of a fingerprint stands for."""
    from hematovision.errors import UsageError
    from hematovision.ledger import reviewers

    valid = [person for person in reviewers(ledger).values() if not person.revoked]
    found = [person for person in valid if person.name == who or (len(who) >= 8 and person.fingerprint.startswith(who))]
    if len(found) != 1:
        known = "; ".join(f"{person.name} {person.fingerprint[:16]}" for person in valid) or "nobody"
        raise UsageError(f"{who!r} stands for no single valid key. Known: {known}.")
    return found[0].fingerprint


def _show_key(console: Console, document: Mapping[str, Any]) -> None:
    console.print(f"{'Made' if document['made'] else 'Found'}  {document['key']}", soft_wrap=True, markup=False)
    console.print(f"Key   {document['fingerprint']}", soft_wrap=True, highlight=False)
    console.print(f"Hand  {document['request']}", soft_wrap=True, markup=False, highlight=False)
    console.print("      to whoever runs `hematovision reviewers add`; tell them the fingerprint by another way.")


def _show_reviewers(console: Console, document: Mapping[str, Any]) -> None:
    if not document["reviewers"]:
        console.print("Nobody yet: `hematovision reviewers key NAME`, then `hematovision reviewers add`.")
        return
    table = Table(title="Who may decide", title_justify="left", title_style="bold")
    for name in ("name", "roles", "login", "key", ""):
        table.add_column(name, overflow="fold")
    for person in document["reviewers"]:
        table.add_row(
            escape(person["name"]),
            escape(", ".join(person["roles"])),
            escape((person["login"] or "–").removeprefix("user:")),
            person["fingerprint"][:16],
            "[red]revoked[/]" if person["revoked"] else "",
        )
    console.print(table)
    if not document["administered"]:
        console.print("Nobody is administrator: whoever reaches this machine may add and revoke keys.", style="yellow")
