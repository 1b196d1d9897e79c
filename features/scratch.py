"""Homes of their own, for builds that only try something; masked rows are copied into them."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from firmpulse import warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

# Gives for a staging table, named with its database, the query whose rows are copied.
RowsOf = Callable[[str], str]


@contextmanager
def home(settings: Settings, prefix: str) -> Iterator[Settings]:
    """Give an empty home inside the home folder, with keys of its own, that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"{prefix}-", dir=settings.root) as folder:
        yield settings.model_copy(update={"home": Path(folder)})


@contextmanager
def beside(settings: Settings, scratch: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a session with the warehouse, and that of the scratch home attached as `scratch`."""
    with warehouse.connect(settings) as connection:
        warehouse.attach(connection, scratch, "warehouse", alias="scratch")
        yield connection


def fill(connection: duckdb.DuckDBPyConnection, rows_of: RowsOf) -> None:
    """Make every staging table in `scratch`, with the rows that the query of each gives.

    The record of what was delivered is copied whole.

    Raises:
        NotReadyError: nothing is masked yet.
    """
    tables = staging_tables(connection)
    connection.execute("create schema if not exists scratch.staging")
    connection.execute("use scratch")
    for table, ddl in tables.items():
        connection.execute(ddl)
        source = f'warehouse.staging."{table}"'
        connection.execute(f'insert into scratch.staging."{table}" by name {rows_of(source)}')
    # Which tables the providers deliver at all; the rows of no firm.
    connection.execute("insert into scratch.ops.deliveries by name from warehouse.ops.deliveries")
    connection.execute("use memory")


def staging_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the masked tables of the warehouse with the statement that makes each.

    Raises:
        NotReadyError: nothing is masked yet.
    """
    ddl = dict(connection.execute(
        "select table_name, sql from duckdb_tables() "
        "where database_name = 'warehouse' and schema_name = 'staging' order by all"
    ).fetchall())  # fmt: skip
    if not ddl:
        raise NotReadyError("nothing is masked yet; run a night first: firmpulse night")
    return ddl
