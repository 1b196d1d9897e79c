"""The control store: SQLite or PostgreSQL by URL, migrated on first use."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings

# Newest migration; a test compares it with the newest module in `migrations/versions`.
HEAD = "0003"
_FOLDER = Path(__file__).resolve().parent / "migrations"
_BUSY_SECONDS = 60
# PostgreSQL: lock held by the only writing transaction; any fixed number.
_WRITER_LOCK = 4_717_201


@contextmanager
def reading(settings: Settings) -> Iterator[sa.Connection]:
    """Open a transaction that reads a consistent state of the store."""
    with _begin(_ready(settings), "begin") as connection:
        yield connection


@contextmanager
def writing(settings: Settings) -> Iterator[sa.Connection]:
    """Open the only transaction that may write; others wait for it, in any process."""
    with _writing(_ready(settings)) as connection:
        yield connection


@contextmanager
def _writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    with _begin(engine, "begin immediate") as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER_LOCK)))
        yield connection


@contextmanager
def _begin(engine: sa.Engine, sqlite_begin: str) -> Iterator[sa.Connection]:
    with (
        engine.connect().execution_options(sqlite_begin=sqlite_begin) as connection,
        connection.begin(),
    ):
        yield connection


def _ready(settings: Settings) -> sa.Engine:
    """Return the engine of a migrated store."""
    url = sa.make_url(settings.control_db_url)
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"FIRMPULSE_CONTROL_URL is a {url.get_backend_name()} address; "
            f"the control store is SQLite or PostgreSQL"
        )
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = _engine(url)
    if _revision(engine) != HEAD:
        with _writing(engine) as connection:
            _upgrade(connection)
    return engine


def _revision(engine: sa.Engine) -> str | None:
    try:
        with _begin(engine, "begin") as connection:
            found: str | None = connection.scalar(
                sa.text("select version_num from alembic_version")
            )
    except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
        if "alembic_version" not in str(error.orig):
            raise ConfigurationError(
                "the control store cannot be opened; check FIRMPULSE_CONTROL_URL and that its "
                "server runs"
            ) from None
        return None
    return found


def _upgrade(connection: sa.Connection) -> None:
    """Run the missing migrations; a process that waited here has nothing left to do."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    if not sa.inspect(connection).has_table("alembic_version") and sa.inspect(connection).has_table(
        "grants"
    ):
        raise ConfigurationError(
            "the control store contains grants that no migration made; move it aside and import "
            "the grants again"
        )
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    # Airflow shows every INFO line, and migrating an empty store is not worth one.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        command.upgrade(config, "head")
    except CommandError:
        raise ConfigurationError(
            "the control store was written by a newer Firmpulse; install that version"
        ) from None


@lru_cache(maxsize=16)
def _engine(url: sa.URL) -> sa.Engine:
    """Return an engine that keeps no connection open between transactions."""
    if url.get_backend_name() == "postgresql":
        return sa.create_engine(url.set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": _BUSY_SECONDS})
    sa.event.listen(engine, "connect", _leave_transactions_to_us)
    sa.event.listen(engine, "begin", _begin_as_asked)
    return engine


def _leave_transactions_to_us(dbapi_connection: Any, _record: object) -> None:
    """Stop the driver from starting and committing on its own: tables are made atomically."""
    dbapi_connection.isolation_level = None


def _begin_as_asked(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options()["sqlite_begin"])
