"""Adding and revoking the keys of reviewers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hematovision.errors import UsageError
from hematovision.ledger import proof
from hematovision.ledger.keys import KeyRequest, fingerprint, sign
from hematovision.ledger.records import Record, now, statement

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from hematovision.ledger.store import Ledger


def add_reviewer(
    ledger: "Ledger",
    request: KeyRequest,
    roles: Sequence[str],
    *,
    actor: str,
    login: str | None = None,
    administrator: "Ed25519PrivateKey | None" = None,
) -> Record:
    """Make a person's key known, with the roles they may decide in.

    As soon as somebody has the role `administrator`, only an administrator's signature adds or revokes a key.

    Args:
        actor: `user:<login>` of who runs this; with `administrator` the record is theirs.
        login: `user:<login>` under which the person works, so that they do not decide on what they asked for.
        administrator: their private key.

    Raises:
        UsageError: no role, or a name that would pass for somebody else.
        GateRefused: the key is known, the name has another valid key, or an administrator has to sign.
    """
    if not request.name.strip() or request.name == "system" or request.name.startswith("user:"):
        raise UsageError(f"A reviewer cannot be called {request.name!r}: give the name of a person.")
    if not roles:
        raise UsageError(f"Say in which role {request.name} decides, such as `--role pathologist`.")
    try:
        mark = proof.fingerprint_of(request.public_key)
    except ValueError as error:
        raise UsageError(f"The key of {request.name} is no Ed25519 public key: {error}.") from error
    content = {"action": "add", "fingerprint": mark, "roles": sorted(set(roles)), **request.model_dump()}
    if login:
        content["login"] = login
    return _append(ledger, mark, content, actor, administrator)


def revoke_reviewer(
    ledger: "Ledger",
    key: str,
    reason: str,
    *,
    actor: str,
    administrator: "Ed25519PrivateKey | None" = None,
) -> Record:
    """Let a key, named by its fingerprint, decide nothing from now on; what it signed before stays valid.

    Raises:
        GateRefused: there is no such valid key, or an administrator has to sign.
    """
    return _append(ledger, key, {"action": "revoke", "fingerprint": key, "reason": reason}, actor, administrator)


def _append(
    ledger: "Ledger",
    key: str,
    content: dict[str, Any],
    actor: str,
    administrator: "Ed25519PrivateKey | None",
) -> Record:
    subject = f"key:{key}"
    if administrator is None:
        return ledger.append("key", subject, content, actor=actor)
    person = ledger.keys().people.get(fingerprint(administrator))
    if person is None:
        raise UsageError("The signing key is not that of a known reviewer.")
    signed = {**content, "time": now()}
    return ledger.append(
        "key", subject, signed, actor=person.name, signature=sign(administrator, statement("key", subject, signed))
    )
