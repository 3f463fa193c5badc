"""The ledger in its database: append, read, and where it ends."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Integer, MetaData, Table, Text, func, insert, inspect, select

from hematovision.database import database_url, open_database, writing
from hematovision.errors import GateRefused, HematoVisionError, UsageError
from hematovision.home import Home
from hematovision.ledger import proof
from hematovision.ledger.installation import Anchor, Installation
from hematovision.ledger.keys import fingerprint, known_keys, public_key, sign_for
from hematovision.ledger.records import (
    Kind,
    Record,
    Signature,
    check_artifacts,
    check_erasure,
    check_names,
    now,
    plain_content,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Row

METADATA = MetaData()
RECORDS = Table(
    "ledger_records",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("time", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("content", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("signature", Text, unique=True),
    Column("unique", Text, unique=True),
    Column("previous", Text, nullable=False, unique=True),
    Column("digest", Text, nullable=False),
    Column("installation", Text, nullable=False, index=True),
    Column("seal", Text, nullable=False),
)
_TAMPERED = "Nothing is written to it before that is cleared up: run `hematovision audit verify`."


def as_fields(row: "Row[Any]") -> dict[str, Any]:
    """A row of the table with its JSON read; ValueError where that cannot be."""
    fields = dict(row._mapping)
    fields["content"] = json.loads(fields["content"])
    fields["signature"] = None if fields["signature"] is None else json.loads(fields["signature"])
    return fields


def _record(row: "Row[Any]") -> Record:
    fields = as_fields(row)
    return Record.model_validate({name: fields[name] for name in Record.model_fields})


class Ledger:
    """An append-only list of records, each holding the digest of the one before and sealed by the installation.

    Safe for any number of threads and processes. A record is on disk when `append` returns, and the installation's
    anchor, outside the database, says so.
    """

    def __init__(self, engine: "Engine", installation: Installation) -> None:
        self.engine, self.installation = engine, installation
        self._ready = self._introduced = False

    @property
    def shared(self) -> bool:
        """Whether other installations may write to the same database."""
        return self.engine.dialect.name != "sqlite"

    def append(
        self,
        kind: Kind,
        subject: str,
        content: Mapping[str, Any],
        *,
        actor: str = "system",
        signature: Signature | None = None,
        unique: str | None = None,
    ) -> Record:
        """Write one record; it is durable when this returns.

        Args:
            content: JSON. `artifacts {name: {sha256, uri}}` names files that `audit verify` is to check.
            signature: of `records.statement(kind, subject, content)` by a reviewer, whose name `actor` has to be.
            unique: an idempotency key; a second append with it writes nothing and returns the first record.

        Raises:
            UsageError: the record cannot be written as asked.
            GateRefused: the signature does not hold.
            HematoVisionError: the ledger was altered or cut off.
        """
        check_names(kind, subject, actor, unique)
        plain = plain_content(content)
        check_artifacts(plain)
        if kind == "erasure":
            check_erasure(subject, plain)
        self._prepare()
        with writing(self.engine) as connection:
            self._refuse_cut_off(connection)
            written = self._written(connection, kind, subject, unique)
            if written is None:
                self._introduce(connection)
                written = self._write(connection, kind, subject, plain, actor, signature, unique)
        self.installation.advance(written.number, written.digest)
        self._introduced = True
        return written

    def _prepare(self) -> None:
        if self._ready:
            return
        with writing(self.engine) as connection:
            if not inspect(connection).has_table(RECORDS.name):
                METADATA.create_all(connection)
        if self.installation.anchor() is None:
            self._refuse_lost_anchor()
            self.installation.advance(0, proof.FIRST)
        self._ready = True

    def _refuse_lost_anchor(self) -> None:
        """A new installation may join a shared ledger; one that has written before has an anchor."""
        mine = fingerprint(self.installation.key()) if self.installation.exists else None
        query = select(func.count()).select_from(RECORDS)
        if self.shared:
            query = query.where(RECORDS.c.installation == mine)
        with self.engine.connect() as connection:
            written = connection.execute(query).scalar()
        if written and self.installation.anchor() is None:  # another process may have made it meanwhile, before writing
            raise HematoVisionError(
                f"The ledger has records, but {self.installation.anchor_path}, which says where it ends, is missing: "
                f"restore it from a backup. {_TAMPERED}"
            )

    def _refuse_cut_off(self, connection: "Connection") -> None:
        anchor = self.installation.anchor()
        if anchor is None or anchor.number == 0:
            return
        query = select(RECORDS.c.digest).where(RECORDS.c.number == anchor.number)
        if connection.execute(query).scalar() != anchor.digest:
            raise HematoVisionError(f"The ledger does not end where it did: it was cut off or altered. {_TAMPERED}")
        if not self.installation.exists:
            raise HematoVisionError(f"{self.installation.key_path} is missing: restore it from a backup.")

    def _written(self, connection: "Connection", kind: str, subject: str, unique: str | None) -> Record | None:
        if unique is None:
            return None
        row = connection.execute(select(RECORDS).where(RECORDS.c.unique == unique)).one_or_none()
        if row is None:
            return None
        found = _record(row)
        if (found.kind, found.subject) != (kind, subject):
            raise UsageError(f"{unique!r} is the key of record {found.number}, a {found.kind} of {found.subject}.")
        return found

    def _introduce(self, connection: "Connection") -> None:
        """Name the installation's public key in the ledger before the first record it seals."""
        if self._introduced:
            return
        public = public_key(self.installation.key())
        mine = proof.fingerprint_of(public)
        writers = set(connection.execute(select(RECORDS.c.installation).distinct()).scalars())
        if writers - {mine} and not self.shared:
            raise HematoVisionError(
                f"{self.installation.key_path} is not the key that wrote this ledger: restore it from a backup. "
                f"{_TAMPERED}"
            )
        if mine not in writers:
            content = {"action": "installation", "fingerprint": mine, "public_key": public}
            self._write(connection, "key", f"key:{mine}", content, "system", None, None)

    def _write(
        self,
        connection: "Connection",
        kind: Kind,
        subject: str,
        content: dict[str, Any],
        actor: str,
        signature: Signature | None,
        unique: str | None,
    ) -> Record:
        last = connection.execute(
            select(RECORDS.c.number, RECORDS.c.digest).order_by(RECORDS.c.number.desc()).limit(1)
        ).one_or_none()
        fields: dict[str, Any] = {
            "number": last.number + 1 if last else 1,
            "time": now(),
            "kind": kind,
            "subject": subject,
            "content": content,
            "actor": actor,
            "signature": signature.model_dump() if signature else None,
            "unique": unique,
            "previous": last.digest if last else proof.FIRST,
        }
        self._refuse_unauthorised(connection, fields)
        fields["digest"] = proof.record_digest(fields)
        connection.execute(insert(RECORDS).values(**self._row(fields)))
        return Record.model_validate(fields)

    def _refuse_unauthorised(self, connection: "Connection", fields: dict[str, Any]) -> None:
        if fields["kind"] not in ("key", "decision") and fields["signature"] is None:
            return
        keys = self._keys(connection)
        problem = keys.signature_problem(fields)
        if problem is None and fields["kind"] == "key":
            problem = keys.key_problem(fields)
        if problem is None and fields["signature"] is not None:
            query = select(RECORDS.c.number).where(RECORDS.c.signature == _spelled(fields["signature"]))
            used = connection.execute(query).scalar()
            problem = f"its signature was used before, in record {used}" if used else None
        if problem:
            raise GateRefused(f"This {fields['kind']} about {fields['subject']} is not recorded: {problem}.")

    def _row(self, fields: dict[str, Any]) -> dict[str, Any]:
        key = self.installation.key()
        return {
            **fields,
            "content": _spelled(fields["content"]),
            "signature": _spelled(fields["signature"]) if fields["signature"] else None,
            "installation": fingerprint(key),
            "seal": sign_for(key, proof.SEAL, fields["digest"].encode()),
        }

    def records(
        self, *, kind: Kind | None = None, subject: str | None = None, since: str | None = None, after: int = 0
    ) -> Iterator[Record]:
        """The records in their order, the installation's own `key` record included.

        Args:
            since: not before this time, as `records.moment` gives it.
            after: only those with a higher number.
        """
        query = select(RECORDS).where(RECORDS.c.number > after).order_by(RECORDS.c.number)
        for column, wanted in ((RECORDS.c.kind, kind), (RECORDS.c.subject, subject)):
            query = query if wanted is None else query.where(column == wanted)
        query = query if since is None else query.where(RECORDS.c.time >= since)
        return (_record(row) for row in self.rows(query))

    def rows(self, query: Any = None) -> list["Row[Any]"]:
        """The rows of the table as they lie there, for verification; none where nothing was written yet."""
        with self.engine.connect() as connection:
            if not inspect(connection).has_table(RECORDS.name):
                return []
            return list(connection.execute(select(RECORDS).order_by(RECORDS.c.number) if query is None else query))

    def head(self) -> Record | None:
        """The last record."""
        rows = self.rows(select(RECORDS).order_by(RECORDS.c.number.desc()).limit(1))
        return _record(rows[0]) if rows else None

    def keys(self) -> proof.Keys:
        """Who may sign now."""
        with self.engine.connect() as connection:
            return self._keys(connection) if inspect(connection).has_table(RECORDS.name) else proof.Keys()

    def _keys(self, connection: "Connection") -> proof.Keys:
        query = select(RECORDS).where(RECORDS.c.kind == "key").order_by(RECORDS.c.number)
        return known_keys([as_fields(row) for row in connection.execute(query)])

    def anchor(self) -> Anchor | None:
        """Where the installation says that the ledger ends."""
        return self.installation.anchor()


def _spelled(value: Any) -> str:
    return proof.canonical(value).decode()


def open_ledger(home: Home, database: str | None) -> Ledger:
    """The ledger of a home; nothing is written before the first append.

    Args:
        database: the setting `records.database`.

    Raises:
        UsageError: the setting names no database that can be opened.
    """
    url = database_url(database, home.databases / "ledger.db", named="records.database")
    return Ledger(open_database(url), Installation(home.root / "keys" / "installation.pem", _anchor_path(home, url)))


def _anchor_path(home: Home, url: str) -> Path:
    """Beside an sqlite file; for another database in the home, by the database's address."""
    from sqlalchemy import make_url

    parts = make_url(url)
    if parts.drivername.startswith("sqlite") and parts.database:
        return Path(f"{Path(parts.database).resolve()}.head")
    address = f"{parts.host}:{parts.port}/{parts.database}"
    return home.databases / f"ledger-{hashlib.sha256(address.encode()).hexdigest()[:12]}.head"
