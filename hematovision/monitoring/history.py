"""Every check that was made, in order, and the alarm that stands for each model and site."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    insert,
    inspect,
    select,
    update,
)

from hematovision.database import database_url, open_database, writing
from hematovision.errors import UsageError
from hematovision.home import Home
from hematovision.monitoring.drift import Signal

if TYPE_CHECKING:
    from sqlalchemy import Engine

State = Literal["raised", "cleared"]
METADATA = MetaData()
CHECKS = Table(
    "drift_history",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("time", String, nullable=False),
    Column("model", String, nullable=False),
    Column("model_digest", String, nullable=False),
    Column("site", String),
    Column("source", String, nullable=False),
    Column("baseline", String),
    Column("n", Integer, nullable=False),
    Column("n_reference", Integer, nullable=False),
    Column("drift", Boolean, nullable=False),
    Column("signals", JSON, nullable=False),
    Column("rates", JSON, nullable=False),
    Column("accuracy", JSON(none_as_null=True)),
    Column("report", String, nullable=False),
    Column("state", String, nullable=False),
    Column("since", String, nullable=False),
    Column("changed", Boolean, nullable=False),
    Column("follows", String),
    Column("record", Integer),
    Index("drift_history_about", "model", "site", "number"),
    sqlite_autoincrement=True,
)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


class Reviewed(BaseModel):
    """How often the model was right among `n` cells that people decided about, with the limits of that share.

    People look at what seems wrong first, so this says too little of the model: a fall means something, the level
    does not. It raises no alarm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    right: int
    value: float
    low: float
    high: float


class Check(BaseModel):
    """One verdict, as it is kept.

    Attributes:
        model: NAME/VERSION. site: whose cells they were, where that was asked for; None: of no site in particular.
        source: what was looked at, in words. baseline: which reference of the site's own it was held against; None is
            the model's reference.
        n: images judged.
        rates: shares and means of the window, by name. accuracy: among cells of the window that people
            decided about, None where there is none.
        report: the page, as a path.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    id: str = Field(default_factory=lambda: uuid4().hex)
    time: str = Field(default_factory=_now)
    model: str
    model_digest: str
    site: str | None
    source: str
    baseline: str | None
    n: int
    n_reference: int
    drift: bool
    signals: list[Signal]
    rates: dict[str, float]
    accuracy: Reviewed | None
    report: str

    @property
    def alarms(self) -> list[str]:
        """Names of the signals in alarm."""
        return [signal.name for signal in self.signals if signal.alarm]


class KeptCheck(Check):
    """A check with its place in the history.

    Attributes:
        state: `raised` while an alarm stands for this model and site, else `cleared`. since: when that began.
        changed: whether this check raised or cleared the alarm. follows: the earlier version whose alarm it cleared.
        record: number of the ledger's record of the change; None where there was none, or it is still to be written.
    """

    number: int
    state: State
    since: str
    changed: bool
    follows: str | None
    record: int | None


class DriftHistory:
    """The table of checks, only ever added to; any number of processes may share it."""

    def __init__(self, engine: "Engine") -> None:
        self.engine = engine
        if not inspect(engine).has_table(CHECKS.name):
            with writing(engine) as connection:
                METADATA.create_all(connection)

    def keep(self, check: Check) -> KeptCheck:
        """Add a check; whether it changes the state is decided in the same transaction.

        A version that was never checked at a site takes over the question an earlier one left open: where that one's
        alarm stands, a calm check of the new version clears it.
        """
        with writing(self.engine) as connection:
            previous = _latest(connection, check.model, check.site)
            follows = None if previous or check.drift else _open_alarm(connection, check)
            stood = previous is not None and previous.state == "raised"
            changed = check.drift != stood or follows is not None
            fields = {
                **check.model_dump(mode="json"),
                "state": "raised" if check.drift else "cleared",
                "since": check.time if changed or previous is None else previous.since,
                "changed": changed,
                "follows": follows,
            }
            number = connection.execute(insert(CHECKS).values(fields)).inserted_primary_key
        return KeptCheck(number=int(number[0]) if number else 0, record=None, **fields)

    def recorded(self, number: int, record: int) -> None:
        """Note under which number the ledger has a change."""
        with writing(self.engine) as connection:
            connection.execute(update(CHECKS).where(CHECKS.c.number == number).values(record=record))

    def unrecorded(self) -> list[KeptCheck]:
        """Changes that the ledger does not have yet."""
        with self.engine.connect() as connection:
            return _select(connection, CHECKS.c.changed, CHECKS.c.record.is_(None))[::-1]

    def checks(self, *, model: str | None = None, site: str | None = None, limit: int | None = None) -> list[KeptCheck]:
        """The latest checks, the newest first; `model` is a NAME or NAME/VERSION."""
        conditions = [] if site is None else [CHECKS.c.site == site]
        if model is not None:
            conditions.append(CHECKS.c.model == model if "/" in model else _named(model))
        with self.engine.connect() as connection:
            return _select(connection, *conditions, limit=limit)

    def check(self, identity: str) -> KeptCheck:
        """One check by its id or the beginning of it; UsageError where none or more than one begins so."""
        with self.engine.connect() as connection:
            found = _select(connection, CHECKS.c.id.startswith(identity, autoescape=True), limit=2)
        if len(found) != 1:
            word = "More than one check has" if found else "No check has"
            raise UsageError(f"{word} an id that begins with {identity!r}: see `hematovision drift history`.")
        return found[0]

    def latest(self) -> list[KeptCheck]:
        """The newest check of every model and site, the newest first."""
        with self.engine.connect() as connection:
            return _newest(connection)

    def standing(self, model: str) -> list[KeptCheck]:
        """The newest check of a model (NAME/VERSION) at each site: alarms that stand first, then by site."""
        with self.engine.connect() as connection:
            found = _newest(connection, CHECKS.c.model == model)
        return sorted(found, key=lambda one: (one.state != "raised", one.site or ""))

    def state(self, model: str, site: str | None) -> KeptCheck | None:
        """The newest check of exactly this model and site, or None."""
        with self.engine.connect() as connection:
            return _latest(connection, model, site)


def open_history(home: Home, database: str | None) -> DriftHistory:
    """The history in a home's `drift.db`, or in the database that `records.database` names."""
    return DriftHistory(open_database(database_url(database, _file(home), named="records.database")))


def _file(home: Home) -> Path:
    return home.databases / "drift.db"


def _named(name: str) -> Any:
    return CHECKS.c.model.startswith(f"{name}/", autoescape=True)


def _at(site: str | None) -> Any:
    return CHECKS.c.site.is_(None) if site is None else CHECKS.c.site == site


def _select(connection: Connection, *conditions: Any, limit: int | None = None) -> list[KeptCheck]:
    rows = connection.execute(select(CHECKS).where(*conditions).order_by(CHECKS.c.number.desc()).limit(limit))
    return [KeptCheck.model_validate(dict(row)) for row in rows.mappings()]


def _newest(connection: Connection, *conditions: Any) -> list[KeptCheck]:
    """The newest check of every model and site among those that fulfil the conditions."""
    newest = select(func.max(CHECKS.c.number)).where(*conditions).group_by(CHECKS.c.model, CHECKS.c.site)
    return _select(connection, CHECKS.c.number.in_(newest))


def _latest(connection: Connection, model: str, site: str | None) -> KeptCheck | None:
    found = _select(connection, CHECKS.c.model == model, _at(site), limit=1)
    return found[0] if found else None


def _open_alarm(connection: Connection, check: Check) -> str | None:
    """The latest earlier version of the model whose alarm stands at the check's site."""
    name, _, version = check.model.rpartition("/")
    standing = [one.model for one in _newest(connection, _named(name), _at(check.site)) if one.state == "raised"]
    earlier = [model for model in standing if _older(model.rpartition("/")[2], version)]
    return max(earlier, key=lambda model: int(model.rpartition("/")[2]), default=None)


def _older(version: str, other: str) -> bool:
    return version.isdecimal() and other.isdecimal() and int(version) < int(other)
