"""API keys: who may ask for what. Only hashes are kept; a key is shown once, when it is made."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from sqlalchemy import Column, MetaData, String, Table, insert, select, update

from hematovision.database import database_url, open_database, writing
from hematovision.errors import UsageError
from hematovision.feedback.records import Name
from hematovision.home import Home

if TYPE_CHECKING:
    from sqlalchemy import Engine

Role = Literal["predict", "review", "senior", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may what the ones before it may."""

PREFIX = "hv"
_NAME = TypeAdapter(Name)
_METADATA = MetaData()
_KEYS = Table(
    "service_keys",
    _METADATA,
    Column("id", String(16), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("created", String(40), nullable=False),
    Column("revoked", String(40)),
)


class Key(BaseModel):
    """A key without its secret; times are UTC, ISO 8601."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    role: Role
    created: str
    revoked: str | None

    def may(self, role: Role) -> bool:
        """Whether this key's role includes another."""
        return ROLES.index(self.role) >= ROLES.index(role)

    @property
    def votes_as(self) -> Literal["review", "senior"]:
        """In which role a vote of this key counts; running the service makes nobody a senior of the laboratory."""
        return "senior" if self.role == "senior" else "review"


def _hash(key: str) -> str:
    """SHA-256: a key is 256 random bits, which no amount of guessing finds; passwords would need a slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


class KeyStore:
    """Keys in a database that the command line and any number of services share."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        _METADATA.create_all(engine)

    def add(self, name: str, role: Role) -> tuple[Key, str]:
        """Make a key; its text is the second value and is kept nowhere.

        Raises:
            UsageError: a name that cannot stand beside a prediction, or that an unrevoked key has.
        """
        try:
            plain = _NAME.validate_python(name)
        except ValidationError as error:
            raise UsageError(f"A key needs a name, whose it is or what for: {error.errors()[0]['msg']}.") from error
        made = Key(id=secrets.token_hex(6), name=plain, role=role, created=_now(), revoked=None)
        text = f"{PREFIX}_{made.id}_{secrets.token_urlsafe(32)}"
        with writing(self._engine) as connection:
            standing = select(_KEYS.c.id).where(_KEYS.c.name == made.name, _KEYS.c.revoked.is_(None))
            if (other := connection.scalar(standing)) is not None:
                raise UsageError(f"{made.name!r} already has the key {other}; revoke it or take another name.")
            connection.execute(insert(_KEYS).values(**made.model_dump(), hash=_hash(text)))
        return made, text

    def list(self) -> list[Key]:
        """All keys, revoked ones too, in the order they were made."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_KEYS).order_by(_KEYS.c.created)).mappings()
            return [Key.model_validate(dict(row)) for row in rows]

    def revoke(self, key_id: str) -> Key:
        """End a key for good; revoking it again changes nothing. UsageError where there is no such key."""
        with writing(self._engine) as connection:
            ending = update(_KEYS).where(_KEYS.c.id == key_id, _KEYS.c.revoked.is_(None)).values(revoked=_now())
            connection.execute(ending)
            row = connection.execute(select(_KEYS).where(_KEYS.c.id == key_id)).mappings().first()
        if row is None:
            raise UsageError(f"There is no key {key_id}; `hematovision keys list` shows them.")
        return Key.model_validate(dict(row))

    def standing(self) -> dict[str, tuple[Key, str]]:
        """Keys in force by id, with their hashes."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_KEYS).where(_KEYS.c.revoked.is_(None))).mappings()
            return {row["id"]: (Key.model_validate(dict(row)), str(row["hash"])) for row in rows}


def open_keys(home: Home, database: str | None) -> KeyStore:
    """The keys of a home, or of the database a setting names."""
    return KeyStore(open_database(database_url(database, home.databases / "access.db", named="records.database")))


class Doorkeeper:
    """Recognises keys; notices new and revoked ones within a stated time."""

    def __init__(self, store: KeyStore, *, fresh_seconds: float) -> None:
        self._store = store
        self._fresh_seconds = fresh_seconds
        self._known: Mapping[str, tuple[Key, str]] = {}
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def recognise(self, text: str) -> Key | None:
        """The key a text is, or None; takes as long for a wrong secret as for a right one."""
        parts = text.split("_", 2)
        named = parts[1] if len(parts) == 3 and parts[0] == PREFIX else ""
        key, expected = self._standing().get(named, (None, "0" * 64))
        return key if hmac.compare_digest(_hash(text), expected) else None

    @property
    def stale(self) -> bool:
        """Whether the next look takes a reading of the database."""
        return time.monotonic() - self._read_at >= self._fresh_seconds

    def _standing(self) -> Mapping[str, tuple[Key, str]]:
        with self._lock:
            if self.stale:
                self._known = self._store.standing()
                self._read_at = time.monotonic()
            return self._known
