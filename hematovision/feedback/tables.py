"""The tables of the feedback room, in whatever database they lie."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    inspect,
)

from hematovision.database import writing

metadata = MetaData()

predictions = Table(
    "feedback_predictions",
    metadata,
    Column("id", String, primary_key=True),
    Column("time", String, nullable=False, index=True),
    Column("model", String, nullable=False),
    Column("model_digest", String, nullable=False),
    Column("data_version", String, nullable=False),
    Column("image", String, nullable=False, index=True),
    Column("picture_kept", Boolean, nullable=False),
    Column("label", String, nullable=False),
    Column("probabilities", JSON, nullable=False),
    Column("set", JSON, nullable=False),
    Column("strangeness", Float, nullable=False),
    Column("unlike_training", Boolean, nullable=False),
    Column("refer", Boolean, nullable=False),
    Column("site", String),
    Column("client", String),
    Column("slide", String),
    Column("shadow", JSON(none_as_null=True)),
    Column("confidence", Float, nullable=False),
    Column("uncertainty", Float, nullable=False),
    Column("disagreement", Float, nullable=False),
    Column("priority", Float, nullable=False, index=True),
)

items = Table(
    "feedback_items",
    metadata,
    Column("id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("suspected", Boolean, nullable=False),
    Column("label", String, nullable=False),
    Column("predicted", String),
    Column("prediction_id", String, ForeignKey("feedback_predictions.id"), index=True),
    Column("model", String),
    Column("image", String, nullable=False),
    Column("pixels", String, nullable=False, index=True),
    Column("by", String, nullable=False),
    Column("person", String, nullable=False),
    Column("role", String, nullable=False),
    Column("source", String, nullable=False),
    Column("client_key", String, nullable=False),
    Column("asked", String, nullable=False),
    Column("site", String),
    Column("client", String),
    Column("slide", String),
    Column("submitted", String, nullable=False),
    Column("changed", String, nullable=False),
    UniqueConstraint("person", "client_key"),
    Index("feedback_items_state", "state", "changed"),
    Index("feedback_items_person", "person", "submitted"),
)
"""`person` is `by` as it is compared; `asked` a digest of the whole correction, to tell a retry from a reused key."""

events = Table(
    "feedback_events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("item", String, ForeignKey("feedback_items.id"), nullable=False, index=True),
    Column("time", String, nullable=False),
    Column("action", String, nullable=False),
    Column("by", String, nullable=False),
    Column("role", String),
    Column("verdict", String),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    sqlite_autoincrement=True,
)

told = Table(
    "feedback_told",
    metadata,
    Column("event", Integer, primary_key=True, autoincrement=False),
)
"""One row: the number of the last line of history that the ledger has."""


def prepare(engine: Engine) -> None:
    """Create what is missing; safe for several processes starting at once."""
    if set(metadata.tables) <= set(inspect(engine).get_table_names()):
        return
    with writing(engine) as connection:
        metadata.create_all(connection)
        _guard_history(connection)


def _guard_history(connection: Connection) -> None:
    """Let the database itself refuse to change a line of history."""
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS feedback_events_{verb.lower()} BEFORE {verb} ON feedback_events "
                "BEGIN SELECT RAISE(ABORT, 'the history of feedback is only ever added to'); END"
            )
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION feedback_events_stay() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the history of feedback is only ever added to'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE OR REPLACE TRIGGER feedback_events_stay BEFORE UPDATE OR DELETE ON feedback_events "
            "FOR EACH ROW EXECUTE FUNCTION feedback_events_stay()"
        )
