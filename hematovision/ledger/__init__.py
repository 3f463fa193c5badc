"""Who did what, when, and from what: an append-only record that cannot be altered unseen.

Owns records, their chain, the keys of the people who decide, verification and export. Knows no model, no registry and
no pipeline: what they tell is handed in. Never changes or removes a record.
"""

from hematovision.ledger.enrolment import add_reviewer, revoke_reviewer
from hematovision.ledger.keys import (
    KeyRequest,
    Reviewer,
    create_key,
    key_request,
    load_key,
    own_key_path,
    reviewers,
    sign,
    verify,
)
from hematovision.ledger.records import Kind, Record, Signature, moment, statement
from hematovision.ledger.store import Ledger, open_ledger

__all__ = [
    "KeyRequest",
    "Kind",
    "Ledger",
    "Record",
    "Reviewer",
    "Signature",
    "add_reviewer",
    "create_key",
    "key_request",
    "load_key",
    "moment",
    "open_ledger",
    "own_key_path",
    "reviewers",
    "revoke_reviewer",
    "sign",
    "statement",
    "verify",
]
