"""The tables of this room, as SQLAlchemy Core knows them."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, Table, Text, UniqueConstraint

METADATA = MetaData()

SCHEDULES = Table(
    "scheduling_schedules",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("command", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("cron", Text),
    Column("timezone", Text, nullable=False),
    Column("interval_seconds", Float),
    Column("conditions", Text, nullable=False),
    Column("any_condition", Boolean, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("engine", Text, nullable=False),
    Column("engine_id", Text),
    Column("paused", Boolean, nullable=False),
    Column("created", Text, nullable=False),
    Column("next_due", Text),
)

FIRINGS = Table(
    "scheduling_firings",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("schedule_id", Text, nullable=False),
    Column("schedule", Text, nullable=False),
    Column("due", Text, nullable=False),
    Column("merged", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("not_before", Text),
    Column("token", Text),
    Column("machine", Text),
    Column("pid", Integer),
    Column("started", Text),
    Column("job_pid", Integer),
    Column("job_started", Text),
    Column("beat", Text),
    Column("begun", Text),
    Column("ended", Text),
    Column("exit_code", Integer),
    Column("log", Text),
    UniqueConstraint("schedule_id", "due", name="scheduling_firings_once"),
    Index("scheduling_firings_state", "state"),
)

DAEMONS = Table(
    "scheduling_daemons",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("machine", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("beat", Text, nullable=False),
)
